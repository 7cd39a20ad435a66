// A paged list as one sequence.

/** The server chooses: what it allows at most is its own setting. */
const PAGE_SIZE = 0;

/** The items of every page in order; the next page is fetched when the loop gets there. */
export async function* pages<Response extends { nextPageToken: string }, Item>(
  fetch: (page: { pageSize: number; pageToken: string }) => Promise<Response>,
  items: (response: Response) => readonly Item[],
): AsyncGenerator<Item, void> {
  let pageToken = '';
  do {
    const response = await fetch({ pageSize: PAGE_SIZE, pageToken });
    yield* items(response);
    pageToken = response.nextPageToken;
  } while (pageToken !== '');
}
