// Lists that the API gives in pages of 100: asked for as one scrolls.
import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";

interface Paged {
  pagination: { total: number; limit: number; offset: number; has_more: boolean };
}

/**
 * `usePages(["rentals", filter], (offset) => ok(api.GET("/api/v1/rentals", {...offset, limit: PAGE})), (page) => page.rentals)`
 * gives `rows`, `total`, `isMore`, `onEnd`, `all` (for DataTable), `isPending`, `error`, `refetch`.
 */
export const PAGE = 100;
export function usePages<Page extends Paged, Row>(
  queryKey: QueryKey,
  ask: (offset: number) => Promise<Page>,
  rowsOf: (page: Page) => readonly Row[],
  options: { refetchInterval?: number; enabled?: boolean } = {},
) {
  const found = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => ask(pageParam),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.pagination.has_more ? last.pagination.offset + last.pagination.limit : undefined),
    ...options,
  });
  const { fetchNextPage, isFetchingNextPage, hasNextPage, data } = found;
  // eslint-disable-next-line react-hooks/exhaustive-deps -- rowsOf only picks a field
  const rows = useMemo(() => data?.pages.flatMap(rowsOf) ?? [], [data]);
  const onEnd = useCallback(() => {
    if (!isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, isFetchingNextPage]);
  const all = useCallback(async () => {
    let pages = data?.pages ?? [];
    for (let isMore = hasNextPage; isMore; ) {
      const next = await fetchNextPage({ throwOnError: true });
      pages = next.data?.pages ?? pages;
      isMore = next.hasNextPage;
    }
    return pages.flatMap(rowsOf);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- rowsOf only picks a field
  }, [data, hasNextPage, fetchNextPage]);
  return {
    rows, onEnd, all, total: data?.pages[0]?.pagination.total, isMore: hasNextPage,
    isPending: found.isPending, error: found.error, refetch: () => void found.refetch(),
  };
}
