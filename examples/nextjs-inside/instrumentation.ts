import { configure } from '@palisade-gate/next';

/** Once a process, before it answers anybody. */
export async function register() {
  // Where the policy shares its state (palisade.shared.toml does): this app's own client carries the questions.
  if (process.env.NEXT_RUNTIME === 'nodejs' && process.env.REDIS_URL) {
    const { Redis } = await import('ioredis');
    configure({ redis: new Redis(process.env.REDIS_URL) });
  }
}
