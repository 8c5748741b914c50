// What the author can mend: told in one line each, without a stack.

export class Problem extends Error {
  constructor(...lines) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}
