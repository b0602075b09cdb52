// A day in a row of filters: what it bounds stands in the field, since an empty one says only "dd.mm.yyyy".
import { Text, TextInput } from "@mantine/core";

interface DayProps {
  label: string;
  value: string | undefined;
  onChange: (day: string) => void;
}

export function Day({ label, value, onChange }: DayProps) {
  return (
    <TextInput size="sm" type="date" w={190} aria-label={label} leftSection={<Text size="sm" c="dimmed" aria-hidden>{label}</Text>} leftSectionWidth={46} leftSectionPointerEvents="none"
      value={value ?? ""} onChange={(e) => onChange(e.currentTarget.value)} />
  );
}
