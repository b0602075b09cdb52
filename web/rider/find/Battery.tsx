/** A battery by its shape; its number stands beside it. */
export function Battery({ level, size = 22 }: { level: number; size?: number }) {
  const colour = level <= 20 ? "var(--danger)" : level <= 40 ? "var(--notice)" : "var(--good)";
  return (
    <svg width={size} height={size / 2} viewBox="0 0 24 12" aria-hidden="true" focusable="false">
      <rect x="0.75" y="0.75" width="19.5" height="10.5" rx="3" fill="none" stroke="currentColor" strokeOpacity="0.45" strokeWidth="1.5" />
      <rect x="21.500" y="4" width="2" height="4" rx="1" fill="currentColor" fillOpacity="0.45" />
      <rect x="2.500" y="2.500" width={Math.max(1.5, (16 * level) / 100)} height="7" rx="1.500" fill={colour} />
    </svg>
  );
}
