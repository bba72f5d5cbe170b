// The reader's time zone, told to the server: it groups the Library by the reader's days.
const YEAR_S = 365 * 24 * 60 * 60;

export function tellTimezone() {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const secure = location.protocol === "https:" ? "; secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
  document.cookie = `timezone=${timeZone}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
}
