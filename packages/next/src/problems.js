/** What is wrong with policy and variables, all at once. */
export class ConfigError extends Error {
  constructor(problems) {
    super(`palisade: the gate cannot start\n${problems.map(line).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** One problem for people. */
export function line({ file, line: row, column, severity, code, message, fix }) {
  const place = file ? `${file}:${row}:${column}: ` : '';
  return `  ${place}${severity}[${code}]: ${message}${fix ? ` (${fix})` : ''}`;
}
