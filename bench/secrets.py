#!/usr/bin/env python3
"""The secret scan beside kingfisher, ripsecrets and secretlint: recall, precision, time, memory.

    bench/secrets.py --palisade target/release/palisade [--kingfisher PATH] [--ripsecrets PATH] [--secretlint PATH]
                     [--only corpus|tree|history] [--runs 3] [--keep FOLDER]

Peers: pip install kingfisher-bin; cargo install ripsecrets --locked; npm install secretlint
@secretlint/secretlint-rule-preset-recommend (PATH is then node_modules/.bin/secretlint, and its folder that of the
configuration). A peer that is not named is left out. Nothing is sent anywhere: kingfisher runs with --no-validate.

corpus   one secret or one look-alike a file, made from a fixed seed, so the truth about each file is known. A file counts as
         found when a tool reports anything in it, whatever it calls it.
tree     15,000 files, 1,000 of them binary, with twenty secrets among them.
history  10,000 commits, 100,000 objects, in a pack.

Time is that of the fastest of --runs runs, of all tools in turn; CPU is user + system time; memory is the largest resident set,
children included.
"""

import argparse
import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
R = random.Random(8)


def of(alphabet, length):
    return "".join(R.choice(alphabet) for _ in range(length))


def alnum(length):
    return of(ALNUM, length)


def url(length):
    return of(ALNUM + "-_", length - 1) + alnum(1)


def hexa(length):
    return of("0123456789abcdef", length)


def b64(length):
    return base64.b64encode(R.randbytes(length)).decode()


def jwt(claims):
    part = lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{part(json.dumps(claims))}.{url(43)}"


def github(prefix):
    """The last six characters are the base-62 CRC-32 of the thirty before them."""
    body = alnum(30)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        check = digits[digit] + check
    return f"{prefix}_{body}{check}"


def pem(word):
    body = b64(300)
    lines = "\n".join(body[at:at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {word}-----\n{lines}\n-----END {word}-----"


def convex(start):
    return f"{start}|{base64.b64encode(json.dumps({'v2': hexa(32)}).encode()).decode()}"


def positives():
    """Every format of the list, and the line that it stands in."""
    b32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    aws = lambda start: start + of("ABCDEFGHIJKLM", 2) + of(b32, 14)
    return [
        ("stripe", "STRIPE_SECRET_KEY={}", "sk_" + "live_51" + alnum(97)),
        ("stripe", "stripe: \"{}\"", "sk_" + "test_" + alnum(24)),
        ("stripe restricted", "const stripe = new Stripe('{}');", "rk_" + "live_" + alnum(24)),
        ("clerk", "CLERK_SECRET_KEY={}", "sk_" + "live_" + alnum(42)),
        ("clerk", "createClerkClient({{ secretKey: '{}' }})", "sk_" + "test_" + alnum(43)),
        ("webhook, base 64", "CLERK_WEBHOOK_SECRET={}", "whsec_" + b64(24)),
        ("webhook, Stripe's", "constructEvent(body, sig, '{}')", "whsec_" + alnum(32)),
        ("webhook, private", "sign('{}')", "whsk_" + b64(64)),
        ("convex", "CONVEX_DEPLOY_KEY=\"{}\"", convex("prod:happy-animal-123")),
        ("convex", "key = '{}'", convex("preview:team:project")),
        ("convex", "key: \"{}\"", convex("dev:happy-animal-123")),
        ("aws id", "AWS_ACCESS_KEY_ID={}", aws("AKIA")),
        ("aws id", "accessKeyId: '{}',", aws("ASIA")),
        ("aws secret", "AWS_SECRET_ACCESS_KEY={}", of(ALNUM + "+/", 40)),
        *[("github", f"token{at}: '{{}}'", github(start)) for at, start in enumerate(["ghp", "gho", "ghu", "ghr", "ghs"])],
        ("github app", "export TOKEN={}", f"ghs_{R.randrange(10**5, 10**6)}_{jwt({'iss': 'github'})}"),
        ("github fine-grained", "auth: \"{}\"", f"github_pat_{alnum(22)}_{alnum(59)}"),
        ("npm", "//registry.npmjs.org/:_authToken={}", "npm_" + alnum(36)),
        *[("openai", "OPENAI_API_KEY={}", f"sk-{kind}-{url(size)}T3Blbk" + "FJ" + url(size))
          for kind, size in [("proj", 74), ("svcacct", 58), ("admin", 58)]],
        ("openai, old", "new OpenAI({{ apiKey: '{}' }})", f"sk-{alnum(20)}T3Blbk" + "FJ" + alnum(20)),
        ("anthropic", "ANTHROPIC_API_KEY={}", "sk-ant-" + f"api03-{url(93)}AA"),
        ("anthropic", "key: '{}'", "sk-ant-" + f"admin01-{url(93)}AA"),
        ("google", "const key = \"{}\"", "AIza" + url(35)),
        ("google, new", "GEMINI_API_KEY={}", "AQ.Ab" + url(48)),
        ("slack", "SLACK_BOT={}", f"xoxb-{of('123456789', 12)}-{of('123456789', 12)}-{alnum(24)}"),
        ("slack app", "app('{}')", f"xapp-1-A{of('ABCDEFGH0123456789', 10)}-{of('123456789', 13)}-{hexa(64)}"),
        ("slack hook", "post('https://{}')",
         f"hooks.slack.com/services/T{of('ABCDEFGH0123456789', 10)}/B{of('ABCDEFGH0123456789', 10)}/{alnum(24)}"),
        ("twilio", "TWILIO_KEY={}", "SK" + hexa(32)),
        ("sendgrid", "SENDGRID_API_KEY={}", f"SG.{url(22)}.{url(43)}"),
        ("vercel", "VERCEL_TOKEN={}", "vcp_" + alnum(56)),
        ("supabase", "createClient(url, '{}')", "sb_secret_" + url(31)),
        ("supabase access", "SUPABASE={}", "sbp_" + hexa(40)),
        ("neon", "NEON_API_KEY={}", "napi_" + of("abcdefghijklmnopqrstuvwxyz0123456789", 64)),
        ("doppler", "DOPPLER_TOKEN={}", "dp.pt." + alnum(43)),
        ("private key", "const key = `{}`", pem("PRIVATE " + "KEY")),
        ("jwt", "Authorization: Bearer {}", jwt({"sub": "1", "admin": True})),
        ("supabase service role", "createClient(url, '{}')", jwt({"iss": "supabase", "role": "service_role"})),
        ("address with a password", "DATABASE_URL=postgres://shop:{}@db.prod.internal.net:5432/shop", alnum(16)),
        ("named", "const api_key = \"{}\";", alnum(32)),
        ("named", "SESSION_SECRET={}", url(43)),
        ("named", "CSRF_SECRET={}", url(43)),
        ("named", "  password: '{}',", f"{alnum(8)}!{of('0123456789', 3)}"),
        ("named", "auth_token = \"{}\"", hexa(40)),
    ]


def negatives():
    """What looks like a secret and is none."""
    broken = github("ghp")
    broken = broken[:-1] + ("b" if broken[-1] == "a" else "a")
    return [
        ("publishable key", "NEXT_PUBLIC_STRIPE_KEY=pk_" + "live_" + alnum(24)),
        ("publishable Clerk key", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_" + base64.b64encode(b"happy.clerk.accounts.dev$").decode()),
        ("GitHub token with a wrong checksum", f"token: '{broken}'"),
        ("prose", "Tokens begin with ghp_ and have 36 more characters."),
        ("placeholder", "STRIPE_SECRET_KEY=sk_" + "test_" + "x" * 24),
        ("placeholder in words", "STRIPE_SECRET_KEY=sk_" + "test_your_key_here"),
        ("AWS's own example", "AWS_ACCESS_KEY_ID=AKIA" + "IOSFODNN7" + "EXAMPLE"),
        ("AWS's own example secret", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"),
        ("Supabase's anonymous key", "NEXT_PUBLIC_SUPABASE_ANON_KEY=" + jwt({"iss": "supabase", "role": "anon"})),
        ("UUID", "token = \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\""),
        ("hash of a lock file", f"integrity = \"sha512-{b64(64)}\""),
        ("commit id", f"commit = \"{hexa(40)}\""),
        ("words", "password = \"correct-horse-battery-staple\""),
        ("placeholder in a sentence", "api_key = \"your-api-key-here-123456\""),
        ("read from the environment", "const apiKey = process.env.API_KEY ?? '';"),
        ("interpolated", "const token = `${prefix}_${Date.now()}_abc123def456`;"),
        ("name of a cookie", "const sessionTokenName = 'next-auth.session-token.v2';"),
        ("address without a password", "DATABASE_URL=postgres://shop@db.prod.internal.net/shop"),
        ("address with a variable", "DATABASE_URL=postgres://shop:${DB_PASSWORD}@db.prod.internal.net/shop"),
        ("class names", "className=\"sk_loading token-list api-key-field\""),
        ("public PEM", pem("PUBLIC " + "KEY")),
        ("JWT header alone", "header = \"" + base64.b64encode(b'{"alg":"HS256","typ":"JWT"}').decode() + "\""),
        ("Twilio's shape elsewhere", f"id: 'SK{hexa(32)}'"),
        ("counting", "secret = \"abcdefghijklmnop12345678\""),
        ("data address", f"src = \"data:image/png;base64,{b64(90)}\""),
        ("validator", "const passwordSchema = z.string().min(12).regex(/[A-Z][a-z]+[0-9]/);"),
        ("Convex deployment's name", "CONVEX_DEPLOYMENT=prod:happy-animal-123"),
        ("translation key", "t('settings.security.token.refresh_token_expires2')"),
    ]


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def corpus(folder, rounds=20):
    """The truth: file -> (what, whether it holds a secret)."""
    truth = {}
    for round_ in range(rounds):
        for at, (what, line, secret) in enumerate(positives()):
            ending = "env" if "={}" in line and not line.startswith("//") else "ts"
            name = f"src/p{round_}-{at}.{ending}"
            write(folder, name, f"// line one\n{line.format(secret)}\n")
            truth[name] = (what, True)
        for at, (what, line) in enumerate(negatives()):
            name = f"src/n{round_}-{at}.{'env' if line[:4].isupper() else 'ts'}"
            write(folder, name, f"// line one\n{line}\n")
            truth[name] = (what, False)
    return truth


WORDS = """render request response token session user order price handle create update remove list page index value name label
state effect props children className onClick fetch await async return const export import default function interface type
string number boolean undefined promise error catch finally secret password apiKey headers cookie query params config schema
parse validate items total amount currency customer invoice payment method status message title description image width""".split()


def source(size):
    lines, length = [], 0
    while length < size:
        words = [R.choice(WORDS) for _ in range(R.randrange(3, 9))]
        line = R.choice([
            f"const {words[0]}{words[1].title()} = await {words[2]}({words[0]}.{words[1]}, {{ {words[2]}: '{words[0]}' }});",
            f"  if ({words[0]}.{words[1]} === '{' '.join(words[2:])}') return {words[0]};",
            f"export function {words[0]}{R.randrange(1000)}({words[1]}: {words[2].title()}) {{",
            f"// {' '.join(words)}",
            f"  <{words[0].title()} {words[1]}=\"{words[2]}-{R.randrange(100)}\" className=\"{' '.join(words[:3])}\" />",
            "}",
        ])
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines) + "\n"


def tree(folder, files=15_000):
    texts = [source(R.randrange(500, 9_000)) for _ in range(400)]
    found = [one for one in positives() if one[0] != "named"]
    for at in range(files):
        name = f"packages/p{at % 40}/src/m{at % 23}/file{at}"
        if at % 15 == 0:
            write(folder, name + ".png", b"\x89PNG\r\n\x1a\n\0" + R.randbytes(R.randrange(2_000, 60_000)))
            continue
        text = texts[at % len(texts)].replace("state", f"state{at}")
        if at % 750 == 1:
            _, line, secret = found[at // 750 % len(found)]
            text += line.format(secret) + "\n"
        write(folder, name + R.choice([".ts", ".tsx", ".js", ".json", ".css"]), text)


def history(folder, commits=10_000):
    """By git fast-import: five files in three folders a commit, so ten objects with its trees."""
    os.makedirs(folder)
    subprocess.run(["git", "init", "-q", folder], check=True)
    stream = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE)
    out = stream.stdin
    for at in range(commits):
        message = f"commit {at}"
        out.write(f"commit refs/heads/main\ncommitter t <t@example> {1_700_000_000 + at * 60} +0000\ndata {len(message)}\n{message}\n".encode())
        for file in range(5):
            text = source(400) + f"// {at}\n"
            if at % 500 == 7 and file == 0:
                text += "const stripe = new Stripe('sk_" + "live_" + alnum(24) + "');\n"
            data = text.encode()
            out.write(f"M 100644 inline src/m{file % 3}/f{(at * 5 + file) % 200}.ts\ndata {len(data)}\n".encode() + data + b"\n")
    out.close()
    if stream.wait() != 0:
        sys.exit("git fast-import failed")
    subprocess.run(["git", "checkout", "-q", "-f", "main"], cwd=folder, check=True)
    return int(subprocess.run("git count-objects -v | awk '/^(count|in-pack)/ {n += $2} END {print n}'", shell=True, cwd=folder,
                              check=True, capture_output=True, text=True).stdout)


def measured(command, cwd, out):
    """Wall and CPU seconds, largest resident set in MiB."""
    with open(out, "wb") as file:
        started = time.monotonic()
        child = subprocess.Popen(["/usr/bin/env", "time", "-f", "%U %S %M", "-o", out + ".time", *command],
                                 cwd=cwd, stdout=file, stderr=subprocess.DEVNULL)
        child.wait()
        wall = time.monotonic() - started
    with open(out + ".time") as file:
        user, system, memory = file.read().split("\n")[-2].split()
    return wall, float(user) + float(system), int(memory) / 1024


def relative(path, folder):
    full = path if os.path.isabs(path) else os.path.join(folder, path)
    return os.path.relpath(os.path.realpath(full), os.path.realpath(folder))


def tools(args):
    """Name -> (command for a folder, with history or without; files that its output names)."""
    all_ = {}

    def ours(out, folder):
        return [one["path"] for one in json.load(open(out))["findings"]]
    all_["palisade"] = (lambda folder, deep: [args.palisade, "secrets", "scan", "--json", *(["--history"] if deep else []), folder], ours)
    if args.kingfisher:
        def kingfisher(out, folder):
            # The last line is a summary.
            values = [json.loads(line) for line in open(out) if line.startswith("{")]
            return {relative(one["finding"]["path"], folder) for one in values if "path" in one.get("finding", {})}
        all_["kingfisher"] = (lambda folder, deep: [args.kingfisher, "scan", folder, "--no-validate", "--no-update-check", "--git-history",
                                                    "full" if deep else "none", "--format", "jsonl"], kingfisher)
    if args.ripsecrets:
        def ripsecrets(out, folder):
            return {relative(line.split(":")[0], folder) for line in open(out, errors="replace") if ":" in line}
        all_["ripsecrets"] = (lambda folder, deep: None if deep else [args.ripsecrets, folder], ripsecrets)
    if args.secretlint:
        def secretlint(out, folder):
            return {relative(one["filePath"], folder) for one in json.load(open(out)) if one["messages"]}
        rules = os.path.join(tempfile.gettempdir(), "secretlint-bench.json")
        with open(rules, "w") as file:
            json.dump({"rules": [{"id": "@secretlint/secretlint-rule-preset-recommend"}]}, file)
        all_["secretlint"] = (lambda folder, deep: None if deep else [args.secretlint, "--format", "json", "--maskSecrets", "--secretlintrc",
                                                                      rules, "**/*"], secretlint)
    return all_


def run(known, folder, deep, runs, judge):
    best = {}
    for _ in range(runs):
        for name, (command, parse) in known.items():
            line = command(folder, deep)
            if line is None:
                continue
            out = os.path.join(tempfile.gettempdir(), f"secrets-{os.getpid()}-{name}")
            figures = measured(line, folder, out)
            if name not in best or figures[0] < best[name][0][0]:
                best[name] = (figures, judge(set(parse(out, folder))))
    for name, ((wall, cpu, memory), words) in best.items():
        print(f"| {name} | {words} | {wall:.2f} | {cpu:.2f} | {memory:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--palisade", required=True)
    for peer in ["kingfisher", "ripsecrets", "secretlint"]:
        parser.add_argument(f"--{peer}")
    parser.add_argument("--only", choices=["corpus", "tree", "history"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", help="make the folders here and leave them")
    args = parser.parse_args()
    for name in ["palisade", "kingfisher", "ripsecrets", "secretlint"]:
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    base = args.keep or tempfile.mkdtemp(prefix="palisade-secrets-")
    known = tools(args)
    load = lambda: f"load average {os.getloadavg()[0]:.0f}"
    try:
        if args.only in (None, "corpus"):
            folder = os.path.join(base, "corpus")
            truth = corpus(folder)
            secrets = {name for name, (_, is_secret) in truth.items() if is_secret}
            print(f"\ncorpus: {len(secrets)} secrets, {len(truth) - len(secrets)} look-alikes; {load()}")
            print("| tool | found | of which secrets | recall | precision | wall s | CPU s | MiB |\n|---|---|---|---|---|---|---|---|")

            def judge(found):
                right = found & secrets
                missed = sorted({truth[name][0] for name in secrets - found})
                taken = sorted({truth[name][0] for name in found & set(truth) - secrets})
                print(f"    missed somewhere: {', '.join(missed) or '-'}; taken for one: {', '.join(taken) or '-'}", file=sys.stderr)
                return f"{len(found)} | {len(right)} | {len(right) / len(secrets):.3f} | {len(right) / max(len(found), 1):.3f}"
            run(known, folder, False, 1, judge)
        if args.only in (None, "tree"):
            folder = os.path.join(base, "tree")
            tree(folder)
            print(f"\ntree: 15,000 files; {load()}\n| tool | files with findings | wall s | CPU s | MiB |\n|---|---|---|---|---|")
            run(known, folder, False, args.runs, lambda found: len(found))
        if args.only in (None, "history"):
            folder = os.path.join(base, "history")
            objects = history(folder)
            print(f"\nhistory: {objects:,} objects; {load()}\n| tool | files with findings | wall s | CPU s | MiB |\n|---|---|---|---|---|")
            run(known, folder, True, args.runs, lambda found: len(found))
    finally:
        if not args.keep:
            shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
