/**
 * Quotes arguments for a POSIX shell, joined by spaces: each arrives at the command as it was given, whatever it holds.
 * @throws TypeError when an argument holds a NUL character, which no command line can carry
 * @example quote(["echo", "it's"]) // echo 'it'\''s'
 */
export function quote(args: readonly string[]): string {
  return args.map(quoteOne).join(" ");
}

function quoteOne(arg: string): string {
  if (arg.includes("\0")) throw new TypeError("a shell argument cannot hold a NUL character");
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(arg)) return arg;
  return `'${arg.replaceAll("'", "'\\''")}'`;
}
