const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/**
 * Hours in a duration as people write it: `90m`, `8h`, `1d12h`. `undefined` when it is none, or not above zero.
 * @example parseHours("1d12h") // 36
 */
export function parseHours(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?[smhd])+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)) {
    seconds += Number(amount) * secondsPer[unit as keyof typeof secondsPer];
  }
  return seconds > 0 ? seconds / 3600 : undefined;
}

/** For people, in the two largest units. @example formatSeconds(5400) // "1 h 30 min" */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes >= 48 * 60) {
    const hours = Math.round(minutes / 60);
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}
