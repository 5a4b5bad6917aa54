/** An aligned table that fits into the terminal. */

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Default: right, as for numbers. */
  readonly align?: 'left';
  /** Where the table is too wide, the column with the highest rank goes first. Without rank: always shown. */
  readonly rank?: number;
}

const GAP = '  ';

/** The lines of the table: titles, a rule, the rows. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width = Infinity): string[] {
  let shown = columns.map((column) => {
    const texts = [column.title, ...rows.map(column.text)];
    return { ...column, texts, size: Math.max(...texts.map((text) => text.length)) };
  });
  const total = (): number => shown.reduce((sum, { size }) => sum + size + GAP.length, -GAP.length);
  while (total() > width) {
    const least = shown.reduce((a, b) => ((b.rank ?? 0) > (a.rank ?? 0) ? b : a));
    if (least.rank === undefined) break;
    shown = shown.filter((column) => column !== least);
  }
  const line = (index: number): string =>
    shown
      .map(({ texts, size, align }) => {
        const text = texts[index] ?? '';
        return align === 'left' ? text.padEnd(size) : text.padStart(size);
      })
      .join(GAP)
      .trimEnd();
  const rule = shown.map(({ size }) => '-'.repeat(size)).join(GAP);
  return [line(0), rule, ...rows.map((_, index) => line(index + 1))];
}
