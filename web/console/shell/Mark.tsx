/** The platform's sign: a wheel on its track. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" fill="var(--brand)" />
      <g fill="none" stroke="var(--on-brand)" strokeWidth="2.4" strokeLinecap="round">
        <circle cx="16" cy="14" r="7" />
        <path d="M16 14V7M16 14l6 3.500M16 14l-6 3.500M6.500 25h19" />
      </g>
    </svg>
  );
}
