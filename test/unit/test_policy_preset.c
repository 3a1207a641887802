/* SPDX-License-Identifier: Apache-2.0 */
/* The coding preset: what it says to one action after the other, attack spellings included. */
#include "unit.h"

#include "base/mem.h"
#include "policy/policy.h"

#define HOME "/home/u"
#define WORK HOME "/proj"

struct row {
    enum verb verb;
    enum resource_kind kind;
    const char *resource;
    const char *op; /* files: the operation; exec: the arguments, parted by blanks */
    int port;       /* connect */
    enum outcome want;
    const char *rule; /* the first; "" when there is none */
};

#define READ(path, want, rule)                                \
    {                                                         \
        VERB_READ, RESOURCE_FILE, path, "open", 0, want, rule \
    }
#define WRITE(path, want, rule)                                \
    {                                                          \
        VERB_WRITE, RESOURCE_FILE, path, "open", 0, want, rule \
    }
#define CREATE(path, op, want, rule)                        \
    {                                                       \
        VERB_CREATE, RESOURCE_FILE, path, op, 0, want, rule \
    }
#define DELETE(path, op, want, rule)                        \
    {                                                       \
        VERB_DELETE, RESOURCE_FILE, path, op, 0, want, rule \
    }
#define EXEC(program, argv, want, rule)                           \
    {                                                             \
        VERB_EXEC, RESOURCE_PROGRAM, program, argv, 0, want, rule \
    }
#define CONNECT(host, port, want, rule)                         \
    {                                                           \
        VERB_CONNECT, RESOURCE_HOST, host, "", port, want, rule \
    }
#define SOCKET(path, want, rule)                               \
    {                                                          \
        VERB_CONNECT, RESOURCE_SOCKET, path, "", 0, want, rule \
    }
#define RESOLVE(host, want)                                \
    {                                                      \
        VERB_RESOLVE, RESOURCE_HOST, host, "", 0, want, "" \
    }
#define ALLOW OUTCOME_ALLOW
#define ASK   OUTCOME_ASK
#define DENY  OUTCOME_DENY

static const struct row rows[] = {
    /* the work */
    READ(WORK "/src/main.c", ALLOW, "workspace"),
    READ(WORK, ALLOW, "workspace"),
    READ(WORK "/.env", ALLOW, "workspace"),
    WRITE(WORK "/src/main.c", ALLOW, "workspace"),
    CREATE(WORK "/a/b/c", "open", ALLOW, "workspace"),
    DELETE(WORK "/a/b/c", "unlink", ALLOW, "workspace"),
    WRITE("/tmp/x", ALLOW, "scratch"),
    WRITE("/dev/null", ALLOW, "scratch"),
    /* around it */
    READ(HOME "/proj2/secret", DENY, ""),
    READ(HOME "/pro", DENY, ""),
    READ(HOME "/documents/letter", DENY, ""),
    READ(HOME, DENY, ""),
    DELETE(HOME "/documents/letter", "unlink", DENY, ""),
    WRITE(HOME "/.bashrc", DENY, "shell-startup"),
    CREATE(HOME "/.config/autostart/x.desktop", "open", DENY, "shell-startup"),
    READ("/usr/bin/env", ALLOW, "system"),
    READ("/", ALLOW, "system"),
    READ("/home", DENY, ""),
    READ("/root/.ssh/id_rsa", DENY, ""),
    READ("/var/lib/secret", DENY, ""),
    READ("/etc/passwd", ALLOW, "system"),
    READ("/etc/shadow", DENY, "secrets"),
    WRITE("/usr/bin/env", DENY, ""),
    WRITE("/etc/hosts", DENY, ""),
    CREATE("/var/tmp/x", "open", DENY, ""),
    /* secrets */
    READ(HOME "/.ssh/id_ed25519", DENY, "secrets"),
    READ(HOME "/.aws/credentials", DENY, "secrets"),
    READ(HOME "/.npmrc", DENY, "secrets"),
    READ(HOME "/.cargo/credentials.toml", DENY, "secrets"),
    READ(HOME "/.cargo/bin/cargo", ALLOW, "tools"),
    READ(HOME "/.config/git/credentials", DENY, "secrets"),
    READ(HOME "/.config/git/config", ALLOW, "tools"),
    READ(HOME "/.config/belay/policy.cedar", DENY, "belay-itself"),
    READ(HOME "/.local/share/keyrings/login.keyring", DENY, "secrets"),
    WRITE(HOME "/.ssh/authorized_keys", DENY, "secrets"),
    WRITE(HOME "/.cache/pip/x", ALLOW, "caches"),
    WRITE(HOME "/.cargo/bin/cargo", DENY, ""),
    WRITE(HOME "/.local/bin/claude", DENY, "shell-startup"),
    /* spellings that name nothing */
    READ(WORK "/../.ssh/id_ed25519", DENY, ""),
    READ(WORK "/./x", DENY, ""),
    READ(WORK "//x", DENY, ""),
    READ(WORK "/x/", DENY, ""),
    READ("proj/x", DENY, ""),
    READ("~/proj/x", DENY, ""),
    /* what runs later */
    CREATE(WORK "/.git/hooks/pre-commit", "open", DENY, "git-hooks"),
    WRITE(WORK "/.git/hooks/pre-commit", DENY, "git-hooks"),
    CREATE(WORK "/.git/hooks/anything", "rename", DENY, "git-hooks"),
    CREATE(WORK "/.git/hooks/pre-commit.sample", "open", ALLOW, "workspace"),
    CREATE(WORK "/.git/hooks", "mkdir", ALLOW, "workspace"),
    CREATE(WORK "/.git/hooks", "symlink", DENY, "moved-into-place"),
    CREATE(WORK "/.git/hooks", "rename", DENY, "moved-into-place"),
    CREATE(WORK "/sub/dir/.git/hooks/post-checkout", "open", DENY, "git-hooks"),
    CREATE(WORK "/.git/modules/lib/hooks/x", "open", DENY, "git-hooks"),
    CREATE(WORK "/bare/hooks/post-commit", "open", DENY, "git-hooks"),
    CREATE(WORK "/src/hooks/useState.ts", "open", ALLOW, "workspace"),
    CREATE(WORK "/.git", "mkdir", ALLOW, "workspace"),
    CREATE(WORK "/sub/.git", "rename", DENY, "moved-into-place"),
    CREATE(WORK "/sub/.git", "open", ASK, "runs-by-itself"),
    WRITE(WORK "/.git/index.lock", ALLOW, "workspace"),
    CREATE(WORK "/.git/refs/heads/main", "rename", ALLOW, "workspace"),
    CREATE(WORK "/.git/config", "rename", ALLOW, "workspace"), /* a repository of its own */
    WRITE(WORK "/.claude/settings.json", DENY, "agent-settings"),
    CREATE(WORK "/.claude/settings.local.json", "open", DENY, "agent-settings"),
    CREATE(WORK "/deep/er/.claude/settings.json", "rename", DENY, "agent-settings"),
    CREATE(WORK "/.claude", "rename", DENY, "moved-into-place"),
    CREATE(WORK "/.claude", "mkdir", ALLOW, "workspace"),
    CREATE(WORK "/.claude/commands/x.md", "open", ASK, "agent-commands"),
    CREATE(WORK "/.mcp.json", "open", DENY, "agent-settings"),
    CREATE(WORK "/.vscode/tasks.json", "open", ASK, "runs-by-itself"),
    CREATE(WORK "/.envrc", "open", ASK, "runs-by-itself"),
    CREATE(WORK "/.husky/pre-push", "open", ASK, "runs-by-itself"),
    WRITE(HOME "/.claude/settings.json", DENY, "agent-settings"),
    WRITE(HOME "/.claude/hooks/x.sh", DENY, "agent-settings"),
    WRITE(HOME "/.claude/projects/p/log.jsonl", ALLOW, "agent-state"),
    WRITE(HOME "/.claude.json", ALLOW, "agent-state"),
    CREATE(HOME "/.claude.json.tmp.2.8a7e", "open", ALLOW, "agent-saving"),
    READ(HOME "/.claude.json.tmp.2.8a7e", DENY, ""),
    WRITE(HOME "/.codex/config.toml", DENY, "agent-settings"),
    WRITE(HOME "/.codex/sessions/x", ALLOW, "agent-state"),
    /* asking for what is not permitted is refusing it */
    CREATE("/opt/.envrc", "open", DENY, ""),
    /* programs */
    EXEC("/usr/bin/gcc", "gcc -c a.c", ALLOW, "programs"),
    EXEC(WORK "/a.out", "./a.out", ALLOW, "programs"),
    EXEC("/usr/bin/sudo", "sudo id", DENY, "no-privilege"),
    EXEC("/usr/bin/sudo", "notsudo id", DENY, "no-privilege"),
    EXEC("/usr/bin/crontab", "crontab -", DENY, "no-persistence"),
    EXEC("/usr/bin/git", "git status", ALLOW, "programs"),
    EXEC("/usr/bin/git", "git push origin main", ASK, "git-push"),
    EXEC("/usr/bin/git", "git -C /tmp push", ASK, "git-push"),
    EXEC("/usr/bin/git", "git stash push", ALLOW, "programs"),
    EXEC("/usr/bin/git", "git commit -m x", ALLOW, "programs"),
    EXEC("/usr/lib/node_modules/npm/bin/npm-cli.js", "npm publish", ASK, "publish"),
    EXEC("/usr/bin/node", "node /usr/lib/node_modules/npm/bin/npm-cli.js publish", ASK, "publish"),
    EXEC("/usr/lib/node_modules/npm/bin/npm-cli.js", "npm install", ALLOW, "programs"),
    EXEC("/home/u/.cargo/bin/cargo", "cargo publish", ASK, "publish"),
    EXEC("/usr/bin/twine", "twine upload dist/x", ASK, "publish"),
    EXEC("/usr/bin/gh", "gh pr create", ASK, "forge"),
    EXEC("/usr/bin/gh", "gh pr list", ALLOW, "programs"),
    /* network */
    CONNECT("api.anthropic.com", 443, ALLOW, "models"), /* for the sake of requests */
    CONNECT("claude.ai", 443, ALLOW, "sign-in"),
    CONNECT("claude.ai", 80, DENY, ""),
    CONNECT("api.anthropic.com", 80, DENY, "model-ports"),
    CONNECT("api.anthropic.com", 0, DENY, "model-ports"),
    CONNECT("api.anthropic.com.evil.example", 443, DENY, ""),
    CONNECT("xapi.anthropic.com", 443, DENY, ""),
    CONNECT("evil.example", 443, DENY, ""),
    CONNECT("API.anthropic.com", 443, DENY, ""),
    CONNECT("api.anthropic.com.", 443, DENY, ""),
    CONNECT("registry.npmjs.org", 443, ALLOW, "packages"),
    CONNECT("registry.npmjs.org", 22, DENY, ""),
    CONNECT("github.com", 22, ALLOW, "github"),
    CONNECT("gist.github.com", 443, DENY, ""),
    CONNECT("localhost", 8080, DENY, ""),
    CONNECT("127.0.0.1", 443, DENY, ""),
    CONNECT("1.1.1.1", 443, DENY, ""),
    CONNECT("169.254.169.254", 80, DENY, "no-metadata"),
    CONNECT("::ffff:169.254.169.254", 80, DENY, "no-metadata"),
    CONNECT("2852039166", 80, DENY, ""),
    CONNECT("0x7f.1", 80, DENY, ""),
    SOCKET(WORK "/s.sock", ALLOW, "sockets"),
    SOCKET("@abstract", ALLOW, "sockets"),
    RESOLVE("api.anthropic.com", ALLOW),
    RESOLVE("Bad_Name.", DENY),
};

static size_t split(const char *text, struct buf *list)
{
    size_t n = 0;

    for (const char *p = text; *p != '\0'; n++) {
        size_t len = strcspn(p, " ");

        action_list_add(list, (struct str){p, len});
        p += len + (p[len] == ' ');
    }
    return n;
}

static void decide_row(const struct policy *p, const struct session *s,
                       struct policy_scratch *scratch, const struct row *row, struct decision *d)
{
    AUTO_BUF struct buf argv;
    struct action a;

    buf_init(&argv, 4096);
    action_init(&a, row->verb, row->kind, str_of(row->resource));
    if (row->verb == VERB_EXEC) {
        split(row->op, &argv);
        action_str(&a, FIELD_OP, STR("execve"));
        action_str(&a, FIELD_NAME, (struct str){row->op, strcspn(row->op, " ")});
        action_list(&a, FIELD_ARGV, buf_str(&argv));
        action_str(&a, FIELD_COMMAND, str_of(row->op));
    } else if (row->kind == RESOURCE_FILE) {
        action_str(&a, FIELD_OP, str_of(row->op));
    } else if (row->port > 0) {
        action_int(&a, FIELD_PORT, row->port);
    }
    policy_decide(p, s, &a, scratch, d);
}

static const struct session session = {.agent = {"claude", 6},
                                       .user = {"u", 1},
                                       .home = {HOME, sizeof(HOME) - 1},
                                       .workspace = {WORK, sizeof(WORK) - 1}};

static struct policy *load(const char *preset)
{
    struct policy_text text = {preset, policy_preset(preset)};
    struct err e = {0};
    struct policy *p = policy_load(&text, 1, HOME, &e);

    if (p == NULL)
        printf("# %s\n", e.text);
    return p;
}

TEST(coding_preset_decides)
{
    struct policy *p = load("coding");
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct decision d;

        decide_row(p, &session, scratch, row, &d);
        const char *rule = d.nrules > 0 ? d.rules[0].p : "";
        if (d.outcome != row->want || strcmp(rule, row->rule) != 0) {
            printf("# %s %s (%s): got %s by \"%s\", want %s by \"%s\"\n", verb_name(row->verb),
                   row->resource, row->op, outcome_name(d.outcome), rule, outcome_name(row->want),
                   row->rule);
            unit_failed = true;
        }
    }
    policy_scratch_free(scratch);
    policy_free(p);
}

TEST(every_refusal_of_the_preset_has_a_reason)
{
    struct policy *p = load("coding");

    CHECK(p != NULL);
    for (size_t i = 0; i < policy_rules(p); i++) {
        struct policy_rule rule = policy_rule(p, i);

        CHECK(strncmp(rule.id, "policy", 6) != 0);
        CHECK(!rule.forbid || strcmp(rule.reason, "a rule forbids it") != 0);
    }
    policy_free(p);
}

TEST(offline_takes_the_network_away)
{
    struct policy_text texts[] = {{"coding", policy_preset("coding")},
                                  {"offline", policy_preset("offline")}};
    struct row row = CONNECT("api.anthropic.com", 443, DENY, "offline");
    struct err e = {0};
    struct policy *p = policy_load(texts, 2, HOME, &e);
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);
    struct decision d;

    decide_row(p, &session, scratch, &row, &d);
    CHECK(d.outcome == OUTCOME_DENY);
    CHECK(d.nrules == 1);
    CHECK_STR(d.rules[0].p, "offline");
    CHECK_STR(d.reason.p, "this session has no network");
    policy_scratch_free(scratch);
    policy_free(p);
}

TEST(readonly_changes_nothing)
{
    static const struct row cases[] = {
        READ(WORK "/x", ALLOW, "workspace"),          WRITE(WORK "/x", DENY, ""),
        CREATE(WORK "/x", "open", DENY, ""),          DELETE(WORK "/x", "unlink", DENY, ""),
        READ(HOME "/.ssh/id_rsa", DENY, "secrets"),   WRITE("/tmp/x", ALLOW, "scratch"),
        CONNECT("registry.npmjs.org", 443, DENY, ""),
    };
    struct policy *p = load("readonly");
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decision d;

        decide_row(p, &session, scratch, &cases[i], &d);
        if (d.outcome != cases[i].want)
            printf("# %s %s\n", verb_name(cases[i].verb), cases[i].resource);
        CHECK(d.outcome == cases[i].want);
        CHECK_STR(d.nrules > 0 ? d.rules[0].p : "", cases[i].rule);
    }
    policy_scratch_free(scratch);
    policy_free(p);
}

UNIT_MAIN(UNIT(coding_preset_decides), UNIT(every_refusal_of_the_preset_has_a_reason),
          UNIT(offline_takes_the_network_away), UNIT(readonly_changes_nothing))
