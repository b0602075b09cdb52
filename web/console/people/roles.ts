// What a role is called: the platform's own in the language of the page, an operator's as the operator wrote it.
import { hasText, text } from "@lib/i18n";

export const roleTitle = (name: string, title = name): string => (hasText(`people.ownRole.${name}`) ? text(`people.ownRole.${name}`) : title);
