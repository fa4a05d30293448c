// An app with every form in which a route may be exported, file by file.

const OK = 'new Response()';
const handler = `() => ${OK}`;

export const FILES = {
  'package.json': JSON.stringify({ name: 'inventory', private: true, dependencies: { next: '16', react: '19', 'react-dom': '19' } }),
  'next.config.mjs': 'export default { typescript: { ignoreBuildErrors: true } };\n',
  'tsconfig.json': `{ // with a comment
  "compilerOptions": { "jsx": "preserve", "module": "esnext", "moduleResolution": "bundler", "target": "es2022", "lib": ["dom", "esnext"],
    "allowJs": true, "noEmit": true, "incremental": true, "isolatedModules": true, "esModuleInterop": true, "resolveJsonModule": true,
    "strict": false, "skipLibCheck": true, "paths": { "@/*": ["./lib/*"], }, "plugins": [{ "name": "next" }] },
  "include": ["**/*.ts", "**/*.tsx"], "exclude": ["node_modules"]
}`,

  'lib/handlers.ts': `export const GET = ${handler};\nexport async function remove() { return ${OK}; }\nexport type PUT = string;\n`,
  'lib/all.ts': `export * from './handlers';\nexport const PATCH = async ${handler};\n`,
  'lib/one.ts': `export default function one() { return ${OK}; }\n`,
  'lib/guards.ts': 'export const withRateLimit = (h) => async (r) => h(r);\nexport const withCsrf = (h) => async (r) => h(r);\n',
  'lib/api.ts': 'export default function handler(req, res) { res.json({}); }\n',

  // The forms.
  'app/api/function/route.ts': `export async function POST(request: Request) { return Response.json({}); }\n`,
  'app/api/plain/route.js': `export function DELETE() { return ${OK}; }\n`,
  'app/api/const/route.ts': `export const GET = async ${handler}, PUT = ${handler};\n`,
  'app/api/let/route.ts': `export let PATCH = function named() { return ${OK}; };\n`,
  'app/api/asserted/route.ts': `export const GET = (async ${handler}) satisfies unknown as any;\n`,
  'app/api/renamed/route.ts': `const h = ${handler};\nexport { h as POST, h as DELETE };\n`,
  'app/api/listed/route.ts': `function GET() { return ${OK}; }\nconst POST = ${handler};\nexport { GET, POST };\n`,
  'app/api/from/route.js': "export { GET, remove as DELETE } from '@/handlers';\n",
  'app/api/default-from/route.ts': "export { default as PUT } from '../../../lib/one';\n",
  'app/api/imported/route.ts': "import one, { } from '@/one';\nimport { GET } from '@/handlers';\nexport { one as POST, GET };\n",
  'app/api/star/route.ts': "export * from '../../../lib/all';\n",
  'app/api/destructured/route.ts': `const serve = () => ({ GET: ${handler}, POST: ${handler} });\nexport const { GET, POST } = serve();\n`,
  'app/api/renamed-destructured/route.ts': `const made = { read: ${handler}, write: ${handler} };\nexport const { read: GET, write: PUT } = made;\n`,
  'app/api/array/route.ts': `export const [GET, DELETE] = [${handler}, ${handler}];\n`,
  'app/api/member/route.ts': `const handlers = { PUT: ${handler} };\nexport const PUT = handlers.PUT;\n`,
  'app/api/wrapped/route.ts': `import { withRateLimit, withCsrf } from '@/guards';\nexport const POST = withRateLimit(withCsrf(async () => ${OK}));\n`,
  'app/api/assigned/route.ts': `let GET;\nGET = ${handler};\nexport { GET };\n`,
  'app/api/head/route.ts': `export const HEAD = ${handler};\n`,
  'app/api/options/route.ts': `export const OPTIONS = () => new Response(null, { headers: { allow: 'OPTIONS, POST' } });\nexport const POST = ${handler};\n`,
  'app/api/types/route.ts': `export type POST = string;\nexport interface PUT {}\nexport const GET = ${handler};\nexport const dynamic = 'force-dynamic';\n`,
  'app/api/edge/route.ts': `export const runtime = 'edge';\nexport const POST = ${handler};\n`,

  // The folders.
  'app/api/_private/route.ts': `export const GET = ${handler};\n`,
  'app/api/%5Funder/route.ts': `export const GET = ${handler};\n`,
  'app/(group)/api/things/[id]/route.tsx': `export const GET = ${handler};\nexport const PUT = ${handler};\n`,
  'app/api/many/[...rest]/route.ts': `export const POST = ${handler};\n`,
  'app/api/some/[[...rest]]/route.ts': `export const GET = ${handler};\nexport const dynamic = 'force-dynamic';\n`,
  'app/robots.ts': "export default function robots() { return { rules: { userAgent: '*' } }; }\n",
  'app/sitemap.ts': "export default function sitemap() { return [{ url: 'https://shop.example' }]; }\n",
  'app/manifest.ts': "export default function manifest() { return { name: 'shop' }; }\n",

  // Pages, actions, and what runs before.
  'app/layout.tsx': 'export default function Layout({ children }) { return <html><body>{children}</body></html>; }\n',
  'app/page.tsx': 'export default function Page() { return <p>home</p>; }\n',
  'app/(group)/shop/[slug]/page.tsx':
    "export const dynamic = 'force-dynamic';\nexport default async function Page() {\n  async function buy() { 'use server'; }\n  return <form action={buy}><button>buy</button></form>;\n}\n",
  'app/form/actions.ts': "'use server';\nexport async function send() {}\nexport const more = async () => {};\nasync function last() {}\nexport { last as renamed };\n",
  'app/form/page.tsx': "import { send } from './actions';\nexport default function Page() { return <form action={send}><button>send</button></form>; }\n",
  'pages/legacy.tsx': 'export default function Legacy() { return <p>legacy</p>; }\n',
  'pages/api/old.ts': 'export default function handler(req, res) { res.json({}); }\n',
  'pages/api/users/[id].ts': 'const handler = (req, res) => res.json({});\nexport default handler;\n',
  'pages/api/again.ts': "export { default } from '../../lib/api';\n",
  'pages/api/rest/[[...rest]].ts': "import handler from '../../../lib/api';\nexport default handler;\n",
  'pages/api/nested/index.ts': 'export default async (req, res) => res.json({});\n',
  'proxy.ts': "export function proxy() {}\nexport const config = { matcher: ['/form/:path*', { source: '/shop/:slug' }] };\n",
};
