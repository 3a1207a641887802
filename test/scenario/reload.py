# SPDX-License-Identifier: Apache-2.0
"""`belay policy`: a running session gets other rules at once, or keeps the old ones and says why."""
import os

from rope import check, main, wait_for

NO_DATE = '@id("no-date")\nforbid (principal, action == Action::"exec", resource)\n' \
          'when { resource.path like "*/date" };\n'
LOOP = "while :; do date >/dev/null 2>&1 && echo ran >> out || echo refused >> out; sleep 0.05; done"


def lines(rope):
    path = os.path.join(rope.work, "out")
    return open(path).read().split() if os.path.exists(path) else []


def start(rope):
    p = rope.start_sh(LOOP)
    session = rope.session()
    wait_for(lambda: "ran" in lines(rope), "the first run")
    return p, session


def stricter_rules_hold_at_once(rope):
    p, session = start(rope)
    policy = rope.file("config/no-date.cedar", NO_DATE)
    r = rope.belay("policy", "reload", "-p", "coding", "-p", policy)
    check(r.returncode == 0 and session in r.stdout, r)
    wait_for(lambda: lines(rope)[-1:] == ["refused"], "the refusal", 5)
    r = rope.belay("policy", "reload", "-p", "coding", session)
    check(r.returncode == 0, r)
    wait_for(lambda: lines(rope)[-1:] == ["ran"], "it to be allowed again", 5)
    rope.belay("kill")
    p.wait(timeout=20)
    events = [e.get("event") for e in rope.log() if e["kind"] == "event"]
    check(events.count("reload") == 2, events)
    check(rope.belay("log", "verify").returncode == 0)


def a_bad_policy_changes_nothing_and_says_why(rope):
    p, session = start(rope)
    broken = rope.file("config/broken.cedar", "permit (principal, action, resource\n")
    r = rope.belay("policy", "reload", "-p", "coding", "-p", broken)
    check(r.returncode == 120 and broken in r.stderr, r)
    needs_more = rope.file("config/reads.cedar", 'forbid (principal, action == Action::"read", resource)\n'
                           'when { resource.path like "*.pem" };\n')
    r = rope.belay("policy", "reload", "-p", "coding", "-p", needs_more)
    check(r.returncode == 120 and "new session" in r.stderr, r)
    seen = len(lines(rope))
    wait_for(lambda: len(lines(rope)) > seen + 2, "it to go on")
    check(set(lines(rope)) == {"ran"}, set(lines(rope)))
    rope.belay("kill")
    p.wait(timeout=20)


def explain_test_and_check(rope):
    r = rope.belay("policy", "eval", "write", "./.git/hooks/pre-commit")
    check(r.stdout.startswith("deny  by git-hooks"), r)
    r = rope.belay("policy", "explain", "exec", "/usr/bin/npm", "argv=npm", "argv=publish")
    check("argv without publish" in r.stdout and "publish" in r.stdout, r)
    cases = rope.file("config/cases", "deny write ./.git/hooks/x by git-hooks\nallow read /usr/bin/env\n")
    r = rope.belay("policy", "test", cases)
    check(r.returncode == 0 and "2 passed, 0 failed" in r.stdout, r)
    cases = rope.file("config/cases", "allow write ./.git/hooks/x\n")
    r = rope.belay("policy", "test", cases)
    check(r.returncode == 1 and cases + ":1" in r.stdout, r)
    odd = rope.file("config/odd.cedar", 'permit (principal, action == Action::"connect", resource == Host::"a.example");\n'
                    'permit (principal, action == Action::"connect", resource == Host::"a.example");\n')
    r = rope.belay("policy", "check", odd)
    check(r.returncode == 0 and "warning" in r.stdout, r)
    r = rope.belay("policy", "check", "coding", "readonly", "offline", "egress")
    check(r.returncode == 0 and r.stdout.count("valid") == 4, r)
    r = rope.belay("policy", "where")
    check("git-hooks" in r.stdout and "kern" in r.stdout, r)


def requests_models_and_tools_can_be_tried(rope):
    policy = rope.file("config/net.cedar", """
        @id("api") permit (principal, action == Action::"request", resource == Host::"api.example.com")
        when { context.method == "GET" && context.path like "/v1/*" && context.port == 8443 };
        @id("dear") @freeze("budget spent") forbid (principal, action == Action::"infer", resource)
        when { context.spent.cents > 2000 };
        @id("leak") forbid (principal in Label::"secret", action in Action::"send", resource);
        @id("no-rm") forbid (principal, action == Action::"call", resource == Tool::"agent/Bash")
        when { context.arguments like "*rm -rf*" };
        """)
    cases = rope.file("config/net.cases", """
        allow  request GET https://api.example.com:8443/v1/x?a=b     by api
        deny   request POST https://api.example.com:8443/v1/x
        deny   request https://api.example.com/v1/x
        deny   request GET https://api.example.com:8443/v2
        deny   request GET https://api.example.com:8443/v1/x label=secret  by leak
        allow  infer anthropic/claude spent.cents=2000
        freeze infer anthropic/claude spent.cents=2001               by dear
        allow  call agent/Bash "arguments={\\"command\\": \\"ls\\"}"
        deny   call agent/Bash "arguments=rm -rf /"                  by no-rm
        allow  connect api.example.com port=8443                     by api
        deny   connect other.example.com port=8443
        """.replace('\\"', ""))
    r = rope.belay("policy", "test", "-p", policy, cases)
    check(r.returncode == 0 and r.stdout.startswith("11 passed"), r)
    egress = rope.file("config/egress.cases", """
        allow connect registry.npmjs.org port=443
        allow connect api.anthropic.com port=443
        deny  connect claude.ai port=443                              by egress-unread
        deny  connect github.com port=22                              by egress-unread
        allow request GET https://registry.npmjs.org/left-pad         by egress-packages
        deny  request PUT https://registry.npmjs.org/left-pad         by egress-reads
        allow request POST https://github.com/a/b.git/git-upload-pack
        deny  request POST https://github.com/a/b.git/git-receive-pack by egress-reads
        deny  request GET https://registry.npmjs.org/x credential=foreign by egress-credentials
        deny  request GET https://registry.npmjs.org/x headers=cookie by egress-credentials
        deny  request GET https://registry.npmjs.org/x carries=secret:aws-key by egress-secrets
        allow request POST https://api.anthropic.com/v1/messages credential=foreign
        allow request POST https://api.anthropic.com/v1/messages carries=secret:aws-key by egress-redacted
        deny  request GET https://a.example/
        """)
    r = rope.belay("policy", "test", "-p", "coding", "-p", "egress", egress)
    check(r.returncode == 0 and r.stdout.startswith("14 passed"), r)
    r = rope.belay("policy", "eval", "-p", "coding", "-p", "egress", "connect", "registry.npmjs.org", "port=443")
    check("looked into" in r.stdout, r)
    r = rope.belay("policy", "eval", "-p", policy, "connect", "api.example.com", "port=8443")
    check("for HTTP alone" in r.stdout, r)
    r = rope.belay("policy", "explain", "-p", policy, "request", "POST", "https://api.example.com:8443/v1/x")
    check('method = GET' in r.stdout, r)


def any_cedar_policy_can_be_evaluated_and_converted(rope):
    policy = rope.file("config/p.cedar", '// who\npermit(principal == User::"a",action,resource)when{context.ok};')
    request = rope.file("config/r.json", '{"principal":{"type":"User","id":"a"},"action":{"type":"Action",'
                        '"id":"x"},"resource":{"type":"Doc","id":"d"},"context":{"ok":true}}')
    r = rope.belay("policy", "eval", "-p", policy, "--request", request, "--json")
    check('"decision":"allow"' in r.stdout and "policy0" in r.stdout, r)
    r = rope.belay("policy", "format", policy)
    check("// who" in r.stdout and "context.ok" in r.stdout, r)
    js = rope.belay("policy", "format", "--to", "json", policy)
    path = rope.file("config/p.json", js.stdout)
    r = rope.belay("policy", "format", "--to", "cedar", path)
    check('User::"a"' in r.stdout, r)
    r = rope.belay("policy", "eval", "-p", path, "--request", request)
    check(r.stdout.startswith("allow"), r)
    check('"Agent"' in rope.belay("policy", "schema", "--to", "json").stdout)


if __name__ == "__main__":
    main([stricter_rules_hold_at_once, a_bad_policy_changes_nothing_and_says_why,
          explain_test_and_check,
          requests_models_and_tools_can_be_tried, any_cedar_policy_can_be_evaluated_and_converted])
