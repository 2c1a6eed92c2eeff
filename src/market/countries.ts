import { nearest } from "../catalog/nearest.ts";

/** ISO 3166-1 alpha-2, the officially assigned codes. */
const codes =
  "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
  "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
  "GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
  "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT " +
  "MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
  "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG " +
  "UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
const assigned = new Set(codes.split(" "));

/** What people write for a country that is neither its code nor its English name. */
const habits: Readonly<Record<string, string>> = {
  uk: "GB",
  en: "GB",
  england: "GB",
  greatbritain: "GB",
  usa: "US",
  unitedstatesofamerica: "US",
  america: "US",
  el: "GR",
  uae: "AE",
  holland: "NL",
  czechrepublic: "CZ",
  korea: "KR",
  turkey: "TR",
  deutschland: "DE",
};

const squeeze = (text: string) => text.toLowerCase().replace(/[^\p{L}]/gu, "");

/** Whether it is an assigned ISO 3166-1 alpha-2 code, in any case. */
export const isCountry = (code: string): boolean => assigned.has(code.toUpperCase());

/**
 * The code that somebody who wrote `text` most likely means, with its name: "GB (United Kingdom)".
 * @example suggestCountry("Germany") // "DE (Germany)"
 */
export function suggestCountry(text: string): string {
  const display = new Intl.DisplayNames(["en"], { type: "region" });
  const named = (code: string) => `${code} (${display.of(code) ?? code})`;
  const habit = habits[squeeze(text)];
  if (habit) return named(habit);
  // Two letters are a mistyped code; more are a name.
  if (squeeze(text).length <= 2) return named(nearest(text, [...assigned], squeeze, 1)[0]!);
  const names = new Map([...assigned].map((code) => [display.of(code) ?? code, code]));
  return named(names.get(nearest(text, [...names.keys()], squeeze, 1)[0]!)!);
}
