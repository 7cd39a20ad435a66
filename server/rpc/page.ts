// Lists are paged by the last name seen; a page token is that name.
import { invalid } from '../errors.ts';

/** Where the client leaves it to the server. */
const PAGE_SIZE = 100;

/** @throws ZerothError naming `page_size`. */
export function toPageSize(pageSize: number, pageSizeMax: number): number {
  if (pageSize < 0 || pageSize > pageSizeMax)
    throw invalid('page_size', `0 to ${pageSizeMax} (pageSizeMax)`, String(pageSize));
  return pageSize === 0 ? Math.min(PAGE_SIZE, pageSizeMax) : pageSize;
}

/** Items after the token, in the order of their names. */
export function page<Item extends { readonly name: string }>(
  items: readonly Item[],
  request: { readonly pageSize: number; readonly pageToken: string },
  pageSizeMax: number,
): { readonly items: readonly Item[]; readonly nextPageToken: string } {
  const size = toPageSize(request.pageSize, pageSizeMax);
  const rest = items.filter((item) => item.name > request.pageToken);
  const shown = rest.slice(0, size);
  return { items: shown, nextPageToken: rest.length > size ? shown[size - 1].name : '' };
}
