import type { Frame } from "./frames.ts";
import type { Span } from "./screen.ts";

const cell = { width: 8.4, height: 18 };
const margin = { x: 14, top: 38, bottom: 12 };

/**
 * A terminal window as one SVG: pictures side by side, moved past a window by CSS, so it plays without a script, as an
 * image, anywhere. It brings its own dark ground, so it reads on light and dark pages. Who prefers reduced motion, or
 * has no CSS, sees the last picture.
 */
export function toSvg(
  frames: readonly Frame[],
  options: { columns: number; rows: number; title: string },
): string {
  const width = Math.ceil(options.columns * cell.width + 2 * margin.x);
  const height = options.rows * cell.height + margin.top + margin.bottom;
  const rows = new Map<string, string>(); // each different row is drawn once
  const pictures = frames.map(({ screen }, index) => {
    const uses = screen.map((spans, row) => use(rows, spans, row)).join("");
    return `<g transform="translate(${index * width} 0)">${uses}</g>`;
  });
  const last = -(frames.length - 1) * width;
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${xml(options.title)}">
<title>${xml(options.title)}</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
.b{font-weight:700}.d{opacity:.65}
#film{transform:translateX(${last}px)}
@media (prefers-reduced-motion:no-preference){#film{animation:film ${seconds(total(frames))}s step-end infinite}}
@keyframes film{${keyframes(frames, width)}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117" stroke="#30363d"/>
<circle cx="20" cy="18" r="6" fill="#ff5f56"/><circle cx="40" cy="18" r="6" fill="#ffbd2e"/><circle cx="60" cy="18" r="6" fill="#27c93f"/>
<defs>${[...rows].map(([markup, id]) => `<g id="${id}">${markup}</g>`).join("\n")}</defs>
<svg x="0" y="${margin.top}" width="${width}" height="${options.rows * cell.height}"><g id="film">
${pictures.join("\n")}
</g></svg>
</svg>
`;
}

function use(rows: Map<string, string>, spans: readonly Span[], row: number): string {
  if (spans.length === 0) return "";
  const markup = spans.map(draw).join("");
  const id = rows.get(markup) ?? `r${rows.size.toString(36)}`;
  rows.set(markup, id);
  return `<use href="#${id}" y="${row * cell.height}"/>`;
}

// textLength keeps the columns in place whatever monospace font the reader has.
function draw({ column, text, color, bold, dim }: Span): string {
  const style = [bold && "b", dim && "d"].filter(Boolean).join(" ");
  const x = round(margin.x + column * cell.width);
  const length = round([...text].length * cell.width);
  return `<text x="${x}" y="13" textLength="${length}" lengthAdjust="spacingAndGlyphs"${style && ` class="${style}"`}${color ? ` style="fill:${color}"` : ""}>${xml(text)}</text>`;
}

function keyframes(frames: readonly Frame[], width: number): string {
  const whole = total(frames);
  let start = 0;
  return frames
    .map(({ ms }, index) => {
      const step = `${round((start / whole) * 100)}%{transform:translateX(${-index * width}px)}`;
      start += ms;
      return step;
    })
    .join("");
}

function total(frames: readonly Frame[]): number {
  return frames.reduce((sum, { ms }) => sum + ms, 0);
}

function seconds(ms: number): number {
  return round(ms / 1000);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function xml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
