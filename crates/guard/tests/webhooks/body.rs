//! What a signature is computed over, and what it takes to read that.

use super::*;

/// Drives one request by hand: the body in chunks of unknown length, and any answer to the claim.
fn drive(gate: &Gate, sent: &Sent, hint: BodyHint, claimed: Option<Claimed>) -> (Result<(), Code>, Vec<usize>) {
    let (head, body) = sent.request().into_parts();
    let view = View {
        method: &head.method,
        uri: &head.uri,
        version: head.version,
        headers: &head.headers,
        peer: Peer { address: [198, 51, 100, 1].into() },
        body: hint,
    };
    let env = gate.env();
    let mut asked = Vec::new();
    let mut step = gate.plan.inspect(&view, &env);
    loop {
        let resume = match step {
            Step::Admit(_) => return (Ok(()), asked),
            Step::Answer(answer) => return (Err(answer.denial().expect("a refusal").code()), asked),
            Step::Need(Need::Claim(ask)) => {
                let said = claimed.unwrap_or_else(|| gate.plan.state().claim(&ask.question, env.now));
                ask.reply(said)
            }
            Step::Need(Need::Keys(ask)) => ask.reply(palisade_guard::Keys::Unavailable),
            Step::Need(Need::Pause(ask)) => ask.reply(palisade_guard::Paused),
            Step::Need(Need::Fold(ask)) => {
                let folded = ask.question.here();
                ask.reply(folded)
            }
            Step::Need(Need::Lease(ask)) => ask.reply(palisade_guard::shared::Leased::Unavailable { nodes: 1 }),
            Step::Need(Need::Collect(ask)) => {
                asked.push(ask.question.limit);
                let held = gate.plan.state().buffered();
                assert!(held + 1 >= ask.question.limit as u64, "{held} bytes of the budget for {}", ask.question.limit);
                let seen = body.slice(..body.len().min(ask.question.limit));
                let complete = body.len() < ask.question.limit;
                ask.reply(Collected::Prefix { bytes: seen, complete })
            }
        };
        step = resume.run(&view, &env);
    }
}

#[test]
fn a9_bodies_are_read_in_steps_within_the_cap_before_anything_is_computed() {
    let body = |bytes: usize| format!("{{\"id\":\"evt_{bytes}\",\"x\":\"{}\"}}", "x".repeat(bytes));
    let kib = 1 << 10;
    let of = |bytes| stripe_at(1_800_000_000, &body(bytes));
    let gate = gate_for(&of(0), Mode::Enforce);
    let sized = |sent: &Sent| BodyHint::Sized(sent.body.len() as u64);
    for (bytes, steps) in [(10, 1), (64 * kib, 2), (500 * kib, 4), (1000 * kib, 5)] {
        for hint in [BodyHint::Chunked, sized(&of(bytes))] {
            let sent = stripe_at(1_800_000_000, &body(bytes + usize::from(hint == BodyHint::Chunked)));
            let hint = if hint == BodyHint::Chunked { hint } else { sized(&sent) };
            let (outcome, asked) = drive(&gate, &sent, hint, None);
            assert_eq!((outcome, asked.len()), (Ok(()), steps), "{bytes} {hint:?} {asked:?}");
        }
    }
    let large = of(1024 * kib);
    assert_eq!(drive(&gate, &large, sized(&large), None), (Err(Code::BodyTooLarge), Vec::new()), "not a byte is read");
    let (outcome, asked) = drive(&gate, &large, BodyHint::Chunked, None);
    assert_eq!((outcome, asked.last()), (Err(Code::BodyTooLarge), Some(&(1024 * kib + 1))));
    assert_eq!(gate.plan.state().buffered(), 0);
}

#[test]
fn a9_without_room_in_memory_a_message_is_put_off() {
    let sent = stripe_at(1_800_000_000, &format!("{{\"x\":\"{}\"}}", "x".repeat(100_000)));
    let limits = Limits { buffered: 70_000, limiter_slots: 1024, ..Limits::default() };
    let gate = Gate::with_secrets(policy(Stripe, Mode::Enforce).limits(limits), &secrets(&[(STRIPE_SECRET, None)]));
    assert_eq!(drive(&gate, &sent, BodyHint::Chunked, None).0, Err(Code::Overloaded));
    assert_eq!(gate.plan.state().buffered(), 0);
}

#[test]
fn a9_without_an_answer_to_the_claim_a_message_is_put_off() {
    let sent = stripe_at(1_800_000_000, "{}");
    let gate = gate_for(&sent, Mode::Enforce);
    let hint = BodyHint::Sized(2);
    for claimed in [Claimed::Unavailable { nodes: 1 }, Claimed::Told(palisade_guard::Spent::First { forgot: false })] {
        assert_eq!(drive(&gate, &sent, hint, Some(claimed)).0, Err(Code::StateUnavailable));
    }
    assert_eq!(drive(&gate, &sent, hint, None).0, Ok(()));
}

#[test]
fn a9_a_body_that_is_empty_or_compressed_or_no_text_is_signed_as_it_comes() {
    let key = SigningKey::from_bytes(&[1; 32]);
    for body in [&b""[..], b"\x1f\x8b\x08\x00\xff", &[0xff; 40]] {
        let signed = [b"msg_1.1800000000.", body].concat();
        let signature = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.sign(&signed).to_bytes());
        let sent = Sent {
            scheme: Svix,
            secret: "whpk_iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=".to_owned(),
            seconds: 1_800_000_000,
            headers: vec![
                ("svix-id", "msg_1".to_owned()),
                ("svix-timestamp", "1800000000".to_owned()),
                ("svix-signature", format!("v1a,{signature}")),
                ("content-encoding", "gzip".to_owned()),
            ],
            body: Bytes::copy_from_slice(body),
        };
        let outcome: Outcome = gate_for(&sent, Mode::Enforce).send(sent.request());
        assert_eq!(outcome.code(), None);
        assert_eq!(outcome.up("content-encoding"), Some("gzip"), "and forwarded so");
    }
}
