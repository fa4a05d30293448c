import { withRateLimit } from '@palisade-gate/next';

/** Answers in two parts, the second when the client has had the first for a while: nothing on the way may wait for all. */
export const GET = withRateLimit(() => {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(encoder.encode('data: first\n\n'));
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      controller.enqueue(encoder.encode('data: second\n\n'));
      controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } });
});
