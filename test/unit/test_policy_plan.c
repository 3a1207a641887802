/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering: what goes into mounts, what is trapped, and that no rule falls between. */
#include "unit.h"

#include "policy/plan.h"

#define HOME "/home/u"
#define WORK HOME "/proj"

/* A host: what exists; folders end with '/'. */
static const char *const host_paths[] = {
    "/usr/",
    "/etc/",
    "/etc/shadow",
    "/home/",
    "/home/u/",
    "/root/",
    "/var/",
    "/tmp/",
    "/run/",
    "/run/docker.sock",
    WORK "/",
    WORK "/keep/",
    WORK "/.git/",
    WORK "/notes",
    HOME "/.ssh/",
    HOME "/.npmrc",
    HOME "/.bashrc",
    HOME "/.gitconfig",
    HOME "/.cargo/",
    HOME "/.cargo/registry/",
    HOME "/.cargo/credentials.toml",
    HOME "/.cache/",
    HOME "/.claude/",
    HOME "/.claude.json",
    "/tmp/h/",
    "/tmp/h/w/",
    "/tmp/h/.ssh/",
    "/tmp/h/.bashrc",
    "/tmp/h/.claude/",
};

static bool exists(void *ctx, const char *path, bool *directory)
{
    size_t n = strlen(path);

    (void)ctx;
    for (size_t i = 0; i < ARRAY_LEN(host_paths); i++)
        if (strncmp(host_paths[i], path, n) == 0 &&
            (host_paths[i][n] == '\0' || strcmp(host_paths[i] + n, "/") == 0)) {
            *directory = host_paths[i][n] == '/';
            return true;
        }
    return false;
}

static const char *const tops[] = {"/usr", "/etc", "/home", "/root",
                                   "/var", "/tmp", "/run",  "/bin"};
static struct plan_host host = {.tops = tops, .ntops = ARRAY_LEN(tops), .exists = exists};
static const struct session session = {.agent = {"claude", 6},
                                       .user = {"u", 1},
                                       .home = {HOME, sizeof(HOME) - 1},
                                       .workspace = {WORK, sizeof(WORK) - 1}};
static struct err problem;
static struct policy *policy;
static struct plan plan;

static bool make(const char *text)
{
    struct policy_text t = {"test.cedar", str_of(text)};

    problem = (struct err){0};
    policy = policy_load(&t, 1, HOME, &problem);
    if (policy == NULL)
        printf("# %s\n", problem.text);
    return policy != NULL && policy_plan(policy, &session, &host, &plan, &problem);
}

static void drop(void)
{
    plan_release(&plan);
    policy_free(policy);
}

static bool has_mount(const char *path, enum plan_access access)
{
    for (size_t i = 0; i < plan.nmounts; i++)
        if (strcmp(plan.mounts[i].path, path) == 0)
            return plan.mounts[i].access == access;
    return false;
}

static bool is_mount(const char *path)
{
    for (size_t i = 0; i < plan.nmounts; i++)
        if (strcmp(plan.mounts[i].path, path) == 0)
            return true;
    return false;
}

#define FILES \
    "action in [Action::\"read\", Action::\"write\", Action::\"create\", Action::\"delete\"]"
#define READS "permit (principal, action == Action::\"read\", resource)"
#define BASE                                                                           \
    "permit (principal, " FILES ", resource) when "                                    \
    "{ resource in principal.workspace || resource in [Dir::\"/tmp\", Dir::\"/dev\", " \
    "Dir::\"/proc\", Dir::\"/run\"] };" READS " when { resource in Dir::\"/usr\" };"   \
    "permit (principal, action == Action::\"connect\", resource is Socket);"

TEST(folders_go_into_mounts_and_trap_nothing)
{
    CHECK(make(BASE));
    CHECK(has_mount(WORK, PLAN_WRITE));
    CHECK(has_mount("/usr", PLAN_READ));
    CHECK(!is_mount("/etc") && !is_mount("/home") && !is_mount(HOME) && !is_mount("/root"));
    CHECK(plan.traps == 0);
    CHECK(!plan.gate && !plan.verify_exec && plan.nports == 0 && plan.nlate == 0);
    drop();
}

TEST(the_hosts_own_tmp_and_run_are_never_shown)
{
    CHECK(make("permit (principal, action, resource);"));
    for (size_t i = 0; i < plan.nmounts; i++) {
        const char *path = plan.mounts[i].path;

        CHECK(plan.mounts[i].fresh == (strcmp(path, "/tmp") == 0 || strcmp(path, "/run") == 0 ||
                                       strcmp(path, "/dev") == 0 || strcmp(path, "/proc") == 0));
    }
    CHECK(has_mount("/etc", PLAN_WRITE) && has_mount("/home", PLAN_WRITE));
    CHECK(plan.traps == 0 && plan.gate);
    drop();
}

TEST(a_home_below_tmp_is_not_shown_by_a_rule_on_tmp)
{
    static const struct session in_tmp = {
        .agent = {"a", 1}, .user = {"u", 1}, .home = {"/tmp/h", 6}, .workspace = {"/tmp/h/w", 8}};
    struct policy_text text = {"coding", policy_preset("coding")};

    policy = policy_load(&text, 1, "/tmp/h", &problem);
    CHECK(policy != NULL);
    CHECK(policy_plan(policy, &in_tmp, &host, &plan, &problem));
    CHECK(has_mount("/tmp/h/w", PLAN_WRITE));
    CHECK(has_mount("/tmp/h/.claude", PLAN_WRITE));
    CHECK(!is_mount("/tmp/h") && !is_mount("/tmp/h/.bashrc") && !is_mount("/tmp/h/.ssh"));
    drop();
}

TEST(a_folder_in_a_folder_overrides)
{
    CHECK(make(BASE "forbid (principal, " FILES ", resource in Dir::\"~/proj/.git\");"
                    "forbid (principal, action in [Action::\"write\", Action::\"create\", "
                    "Action::\"delete\"], resource in Dir::\"~/proj/keep\");"));
    CHECK(has_mount(WORK "/.git", PLAN_HIDE));
    CHECK(has_mount(WORK "/keep", PLAN_READ));
    CHECK(plan.traps == 0);
    CHECK(plan_access_of(&plan, WORK "/keep/x") == PLAN_READ);
    CHECK(plan_access_of(&plan, WORK "/keeping") == PLAN_WRITE);
    CHECK(plan_access_of(&plan, "/home/u/other") == PLAN_HIDE);
    drop();
}

TEST(write_rules_beyond_folders_trap_writes)
{
    static const char *const rules[] = {
        "forbid (principal, action == Action::\"write\", resource) when "
        "{ resource.path like \"*/.git/hooks/*\" };",
        "forbid (principal, action == Action::\"create\", resource in Dir::\"~/proj/new\");",
        "forbid (principal, action == Action::\"delete\", resource);",
        "@ask(\"?\") forbid (principal, action == Action::\"write\", resource);",
        "forbid (principal, action == Action::\"write\", resource) when { context.op == \"chmod\" "
        "};",
        "forbid (principal in Label::\"x\", action == Action::\"write\", resource);",
        "forbid (principal, action == Action::\"write\", resource) when "
        "{ principal in Label::\"x\" };",
        "forbid (principal, action == Action::\"write\", resource == File::\"~/proj\");"};

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        AUTO_FREE char *text = xasprintf("%s%s", BASE, rules[i]);

        CHECK(make(text));
        if (plan.traps != PLAN_TRAP_WRITE)
            printf("# %s traps %u\n", rules[i], plan.traps);
        CHECK(plan.traps == PLAN_TRAP_WRITE);
        CHECK(has_mount(WORK, PLAN_WRITE));
        drop();
    }
}

TEST(read_rules_beyond_folders_trap_reads)
{
    static const char *const rules[] = {
        "forbid (principal, action == Action::\"read\", resource) when "
        "{ resource.name like \"*.pem\" };",
        "@ask(\"?\") forbid (principal, action == Action::\"read\", resource in "
        "Dir::\"~/proj/keep\");",
        "forbid (principal, action == Action::\"read\", resource) when "
        "{ principal in Label::\"x\" };",
        "forbid (principal, action == Action::\"read\", resource) unless "
        "{ resource.path like \"/usr/*\" || resource in principal.workspace };"};

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        AUTO_FREE char *text = xasprintf("%s%s", BASE, rules[i]);

        CHECK(make(text));
        if ((plan.traps & PLAN_TRAP_READ) == 0)
            printf("# %s traps %u\n", rules[i], plan.traps);
        CHECK((plan.traps & PLAN_TRAP_READ) != 0);
        CHECK(plan_access_of(&plan, WORK "/x") != PLAN_HIDE);
        drop();
    }
}

TEST(a_permit_beyond_folders_shows_no_more_than_its_folder)
{
    CHECK(make(BASE READS " when { resource in Dir::\"/etc\" && resource.name like \"*.conf\" };"));
    CHECK(has_mount("/etc", PLAN_READ));
    CHECK(plan.traps == PLAN_TRAP_READ);
    CHECK(!is_mount("/root") && !is_mount(HOME));
    drop();
    /* a permit on a name alone may hold anywhere: everything must be seen to be judged */
    CHECK(make(BASE READS " when { resource.name like \"*.conf\" };"));
    CHECK(has_mount("/root", PLAN_READ) && (plan.traps & PLAN_TRAP_READ) != 0);
    drop();
}

TEST(the_start_of_a_pattern_is_a_folder_too)
{
    CHECK(make(BASE "forbid (principal, action == Action::\"read\", resource) when "
                    "{ resource.path like \"/etc/*.key\" || resource.path like \"~/x/*\" };"));
    CHECK(plan.traps == 0); /* nothing of it is shown */
    drop();
    CHECK(make(BASE "forbid (principal, action == Action::\"read\", resource) when "
                    "{ resource.path like \"/usr/lib/*.key\" };"));
    CHECK(plan.traps == PLAN_TRAP_READ);
    drop();
    CHECK(make(BASE "forbid (principal, action == Action::\"read\", resource) when "
                    "{ !(resource.path like \"/usr/lib/*\") };"));
    CHECK((plan.traps & PLAN_TRAP_READ) != 0);
    drop();
    CHECK(make(BASE READS " when { resource.path like \"/etc/ssl*\" };"));
    CHECK(has_mount("/etc", PLAN_READ) && !is_mount("/root") && !is_mount(HOME));
    CHECK(plan.traps == PLAN_TRAP_READ);
    drop();
    /* what may be written and not read is not shown */
    CHECK(make(BASE "permit (principal, action in [Action::\"write\", Action::\"create\"], "
                    "resource) when { resource.path like \"~/.c.*\" };"));
    CHECK(!is_mount(HOME) && has_mount(WORK, PLAN_WRITE) && has_mount("/usr", PLAN_READ));
    CHECK(plan.traps == 0);
    drop();
}

TEST(one_file_is_mounted_alone)
{
    CHECK(make(BASE READS " when { resource == File::\"~/.gitconfig\" };"
                          "permit (principal, action == Action::\"read\", resource == "
                          "File::\"/etc/shadow\");"));
    CHECK(has_mount(HOME "/.gitconfig", PLAN_READ));
    CHECK(has_mount("/etc/shadow", PLAN_READ) && !is_mount("/etc"));
    CHECK(plan.traps == 0);
    drop();
    /* of a folder, a File is the folder alone: what is below is not permitted with it */
    CHECK(make(BASE READS " when { resource == File::\"~/.ssh\" };"));
    CHECK(!is_mount(HOME "/.ssh"));
    drop();
    CHECK(make(BASE "forbid (principal, action == Action::\"read\", resource == "
                    "File::\"~/proj/keep\");"));
    CHECK(plan.traps == PLAN_TRAP_READ);
    drop();
}

TEST(what_is_hidden_before_it_exists_is_told)
{
    CHECK(make(BASE "forbid (principal, " FILES ", resource in Dir::\"~/proj/token\");"));
    CHECK(plan.nlate == 1);
    CHECK_STR(plan.late[0], WORK "/token");
    CHECK(plan.traps == PLAN_TRAP_WRITE); /* so that the agent does not make it */
    drop();
}

TEST(sockets_are_seen_or_judged)
{
    CHECK(make(BASE "forbid (principal, action == Action::\"connect\", resource in "
                    "Dir::\"~/proj/keep\");"));
    CHECK(plan.traps == PLAN_TRAP_CONNECT);
    drop();
    CHECK(make("permit (principal, action == Action::\"connect\", resource == "
               "Socket::\"/run/docker.sock\");" READS " when { resource in Dir::\"/usr\" };"));
    CHECK(has_mount("/run/docker.sock", PLAN_READ));
    CHECK((plan.traps & PLAN_TRAP_CONNECT) != 0);
    drop();
    CHECK(make(READS " when { resource in Dir::\"/usr\" };"));
    CHECK((plan.traps & PLAN_TRAP_CONNECT) != 0);
    drop();
}

TEST(the_gate_is_needed_if_something_may_be_sent)
{
    static const char *const with[] = {
        "permit (principal, action, resource == Host::\"a.example\");",
        "permit (principal, action in Action::\"send\", resource in Domain::\"a.example\");",
        ("permit (principal, action == Action::\"connect\", resource is Host) when "
         "{ context.port == 443 };"),
        "permit (principal, action, resource in Net::\"private\");"};
    static const char *const without[] = {
        "permit (principal, action == Action::\"connect\", resource is Socket);",
        "permit (principal, action == Action::\"read\", resource);",
        "forbid (principal, action, resource == Host::\"a.example\");"};

    for (size_t i = 0; i < ARRAY_LEN(with); i++) {
        CHECK(make(with[i]));
        CHECK(plan.gate);
        drop();
    }
    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        CHECK(make(without[i]));
        CHECK(!plan.gate);
        drop();
    }
}

TEST(loopback_ports_are_those_named)
{
    CHECK(make("permit (principal, action == Action::\"connect\", resource == Host::\"127.0.0.1\") "
               "when { context.port == 8080 || context.port == 8081 };"
               "permit (principal, action == Action::\"connect\", resource == Host::\"a.example\") "
               "when { context.port == 443 };"
               "forbid (principal, action == Action::\"connect\", resource) when "
               "{ context.port == 8081 || context.port == 70000 || context.port == -5 };"));
    CHECK(plan.nports == 1);
    CHECK(plan.ports[0] == 8080);
    CHECK(plan.gate);
    drop();
}

TEST(execs_are_verified_where_a_rule_looks_at_them)
{
    CHECK(make(BASE "permit (principal, action == Action::\"exec\", resource);"));
    CHECK(!plan.verify_exec);
    drop();
    CHECK(make(BASE "permit (principal, action == Action::\"exec\", resource in Dir::\"/usr\");"));
    CHECK(plan.verify_exec);
    drop();
    CHECK(make(BASE "permit (principal, action == Action::\"exec\", resource);"
                    "forbid (principal, action == Action::\"exec\", resource) when "
                    "{ context.argv.contains(\"publish\") };"));
    CHECK(plan.verify_exec);
    drop();
}

TEST(a_rule_that_nobody_holds_is_an_error)
{
    CHECK(!make(BASE "@id(\"forum\") forbid (principal, action == Action::\"call\", resource == "
                     "Tool::\"forum/post\");"));
    CHECK(problem.code == EX_HOST);
    CHECK(strstr(problem.text, "rule forum cannot be enforced") != NULL);
    CHECK(strstr(problem.text, "test.cedar:1:") != NULL);
    policy_free(policy);
}

#define MODELS "permit (principal, action == Action::\"infer\", resource);"

/* Rules on what is said to a host, beside a permit that lets its connections pass unread. */
static const struct {
    const char *text, *gap; /* NULL: there is none */
} gaps[] = {
    {"forbid (principal, action == Action::\"request\", resource == Host::\"b.example\");",
     "b.example"},
    {"forbid (principal, action == Action::\"request\", resource) when "
     "{ [Host::\"a.example\", Host::\"b.example\"].contains(resource) };",
     "b.example"},
    {"forbid (principal, action == Action::\"request\", resource in Domain::\"b.example\");",
     "b.example"},
    {"forbid (principal, action == Action::\"request\", resource == Host::\"a.example\");", NULL},
    {"forbid (principal, action == Action::\"request\", resource) when { context.method == \"X\" "
     "};",
     NULL},
    {"forbid (principal, action in Action::\"send\", resource == Host::\"b.example\");", NULL},
    {"forbid (principal, action == Action::\"infer\", resource in Provider::\"xai\");", "api.x.ai"},
    {"forbid (principal, action == Action::\"infer\", resource == Model::\"xai/grok\");",
     "api.x.ai"},
    {"forbid (principal, action == Action::\"infer\", resource);", "api.anthropic.com"},
    {MODELS "forbid (principal, action == Action::\"infer\", resource);", NULL},
};

TEST(a_rule_on_what_passes_unread_is_an_error)
{
    for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
        AUTO_FREE char *text = xasprintf(
            "%spermit (principal, action == Action::\"connect\", resource is Host);"
            "permit (principal, action == Action::\"request\", resource == Host::\"a.example\");%s",
            BASE, gaps[i].text);
        bool good = make(text);

        printf("# %s\n", gaps[i].text);
        CHECK(policy != NULL && good == (gaps[i].gap == NULL));
        CHECK(good || strstr(problem.text, gaps[i].gap) != NULL);
        CHECK(good || strstr(problem.text, "pass unread") != NULL);
        if (good)
            drop();
        else
            policy_free(policy);
    }
}

TEST(a_rule_may_go_unheld_if_that_is_said_by_its_name)
{
    static const char *const others[] = {"other", "foru"}, *const named[] = {"other", "forum"};
    static const char text[] = BASE "@id(\"forum\") forbid (principal, action == Action::\"call\", "
                                    "resource == Tool::\"forum/post\");";

    host.may_go_unheld = others;
    host.nmay_go_unheld = 2;
    CHECK(!make(text));
    policy_free(policy);
    host.may_go_unheld = named;
    CHECK(make(text) && plan.nunheld == 1);
    CHECK_STR(plan.unheld[0].rule, "forum");
    CHECK(strstr(plan.unheld[0].why, "no permit is about requests") != NULL);
    struct plan held = {0};
    CHECK(!plan_can_follow(&held, &plan, &problem));
    CHECK(strstr(problem.text, "rule forum cannot be enforced here") != NULL);
    CHECK(plan_can_follow(&plan, &plan, &problem));
    host.may_go_unheld = NULL;
    host.nmay_go_unheld = 0;
    drop();
    CHECK(make(BASE) && plan.nunheld == 0);
    drop();
}

static unsigned where(const char *id);

#define CONNECT "permit (principal, action == Action::\"connect\", resource is Host);"
#define REQUEST \
    "permit (principal, action == Action::\"request\", resource == Host::\"a.example\");"
#define NO_POST                                                                          \
    "@id(\"no-post\") forbid (principal, action == Action::\"request\", resource) when " \
    "{ context.method == \"POST\" };"

TEST(a_rule_on_requests_needs_connections_that_are_looked_into)
{
    /* spliced connections could not be judged by it */
    CHECK(!make(BASE CONNECT NO_POST));
    CHECK(strstr(problem.text, "permit requests to the hosts") != NULL);
    policy_free(policy);
    CHECK(make(BASE CONNECT REQUEST NO_POST));
    CHECK(plan.gate && plan.opens && where("no-post") == WHERE_GATE);
    CHECK(where("policy0") != 0);
    drop();
    /* a permit for requests or for inference is enough for a gate */
    CHECK(make(BASE REQUEST) && plan.gate && plan.opens);
    drop();
    CHECK(make(BASE "permit (principal, action == Action::\"infer\", resource);") && plan.gate &&
          plan.opens);
    drop();
    CHECK(make(BASE CONNECT) && plan.gate && !plan.opens);
    drop();
    /* where nothing leaves, no request does */
    CHECK(make(BASE NO_POST) && !plan.gate && where("no-post") == WHERE_KERNEL);
    drop();
}

static unsigned where(const char *id)
{
    struct plan_rule *rules = policy_where(policy, &session, &plan);

    for (size_t i = 0; i < policy_rules(policy); i++)
        if (strcmp(policy_rule(policy, i).id, id) == 0)
            return rules[i].where;
    return 0;
}

TEST(the_preset_is_lowered)
{
    struct str preset = policy_preset("coding");

    CHECK(make(preset.p));
    CHECK(plan.traps == (PLAN_TRAP_WRITE | PLAN_TRAP_CONNECT));
    CHECK(plan.gate && plan.verify_exec && plan.nports == 0);
    CHECK(has_mount(WORK, PLAN_WRITE));
    CHECK(has_mount("/usr", PLAN_READ) && has_mount("/etc", PLAN_READ));
    CHECK(has_mount("/etc/shadow", PLAN_HIDE));
    CHECK(has_mount(HOME "/.gitconfig", PLAN_READ));
    CHECK(has_mount(HOME "/.cargo", PLAN_READ) && has_mount(HOME "/.cargo/registry", PLAN_WRITE));
    CHECK(has_mount(HOME "/.cargo/credentials.toml", PLAN_HIDE));
    CHECK(has_mount(HOME "/.claude", PLAN_WRITE) && has_mount(HOME "/.claude.json", PLAN_WRITE));
    static const char *const hidden[] = {HOME,    HOME "/.ssh", HOME "/.npmrc", HOME "/.bashrc",
                                         "/root", "/home",      "/var/lib/x",   HOME "/other"};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        CHECK(plan_access_of(&plan, hidden[i]) == PLAN_HIDE);
    CHECK(where("system") == WHERE_KERNEL);
    CHECK(where("git-hooks") == WHERE_KERN);
    CHECK(where("publish") == WHERE_KERN);
    CHECK(where("models") == WHERE_GATE);
    CHECK(where("secrets") == (WHERE_KERNEL | WHERE_KERN));
    drop();
}

/* ---- no gap, tried on many policies --------------------------------------------------- */

static const char *const atoms[] = {"resource in principal.workspace",
                                    "resource in principal.home",
                                    "resource in Dir::\"/usr\"",
                                    "resource in Dir::\"/etc\"",
                                    "resource in Dir::\"~/proj/keep\"",
                                    "resource in Dir::\"~/proj/new\"",
                                    "resource == File::\"/etc/shadow\"",
                                    "resource == File::\"~/proj/keep\"",
                                    "resource == File::\"~/proj\"",
                                    "resource in [Dir::\"~/.ssh\", Dir::\"~/.cargo\"]",
                                    "resource.path like \"/usr/l*\"",
                                    "resource.path like \"~/proj/k*\"",
                                    "resource.path like \"/etc/shadow\"",
                                    "resource.path like \"~/*/x\"",
                                    "resource.name like \"*a*\"",
                                    "resource.name == \"x\"",
                                    "context.op == \"open\"",
                                    "principal in Label::\"l\"",
                                    "principal == Agent::\"claude\"",
                                    "principal has repository"};
static const char *const scopes[] = {"action == Action::\"read\"", "action == Action::\"write\"",
                                     "action in [Action::\"write\", Action::\"create\"]", FILES,
                                     "action"};
static const char *const principals[] = {"principal", "principal", "principal in Label::\"l\"",
                                         "principal == Agent::\"claude\""};
static const char *const resources[] = {"resource",
                                        "resource",
                                        "resource",
                                        "resource in Dir::\"~/proj\"",
                                        "resource == File::\"~/proj/keep\"",
                                        "resource is File"};
static const char *const probes[] = {"/usr/x",
                                     "/usr/lib/a",
                                     "/usr",
                                     "/etc/shadow",
                                     "/etc/hosts",
                                     "/etc/x",
                                     WORK,
                                     WORK "/x",
                                     WORK "/a/b",
                                     WORK "/keep",
                                     WORK "/keep/x",
                                     WORK "/keep/deep/a",
                                     WORK "/keeping",
                                     WORK "/new",
                                     WORK "/new/x",
                                     WORK "/.git/x",
                                     HOME,
                                     HOME "/x",
                                     HOME "/.ssh",
                                     HOME "/.ssh/x",
                                     HOME "/.cargo/x",
                                     HOME "/q/x",
                                     "/root/x",
                                     "/var/lib/belay",
                                     "/home/x",
                                     WORK "/notes",
                                     HOME "/.npmrc",
                                     HOME "/.claude",
                                     HOME "/.claude/a",
                                     "/etc/ssl/x"};

static uint32_t seed = 1;

/* xorshift32 (Marsaglia 2003): the same policies in every run. */
static size_t pick(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

#define ONE_OF(list) ((list)[pick(ARRAY_LEN(list))])

static void add_condition(struct buf *b)
{
    buf_puts(b, pick(4) == 0 ? "!(" : "(");
    for (size_t n = pick(3) + 1; n > 0; n--)
        buf_printf(b, "%s(%s)%s", pick(5) == 0 ? "!" : "", ONE_OF(atoms),
                   n == 1         ? ")"
                   : pick(2) == 0 ? " && "
                                  : " || ");
}

static void add_rule(struct buf *b, bool forbid)
{
    buf_printf(b, "%s%s (%s, ", forbid && pick(4) == 0 ? "@ask(\"?\") " : "",
               forbid ? "forbid" : "permit", ONE_OF(principals));
    const char *scope = ONE_OF(scopes);
    /* what looks at a path is about files */
    buf_printf(b, "%s, %s)", strcmp(scope, "action") == 0 ? FILES : scope, ONE_OF(resources));
    for (size_t n = pick(3); n > 0; n--) {
        buf_puts(b, pick(3) == 0 ? " unless { " : " when { ");
        add_condition(b);
        buf_puts(b, " }");
    }
    buf_puts(b, ";\n");
}

static bool is_late(const char *path)
{
    for (size_t i = 0; i < plan.nlate; i++) {
        size_t n = strlen(plan.late[i]);

        if (strncmp(plan.late[i], path, n) == 0 && (path[n] == '\0' || path[n] == '/'))
            return true;
    }
    return false;
}

/* Whatever the kernel lets through without kern, the policy must allow, whatever the labels. */
static bool no_gap_at(struct policy_scratch *scratch, const char *path, enum verb verb)
{
    for (uint64_t labels = 0; labels < 2; labels++) {
        struct session s = session;
        struct decision d;
        struct action a;

        s.labels = labels;
        action_init(&a, verb, RESOURCE_FILE, str_of(path));
        action_str(&a, FIELD_OP, pick(2) == 0 ? STR("open") : STR("chmod"));
        policy_decide(policy, &s, &a, scratch, &d);
        if (d.outcome != OUTCOME_ALLOW)
            return false;
    }
    return true;
}

static const char *find_gap(void)
{
    struct policy_scratch *scratch = policy_scratch_new(policy);
    const char *gap = NULL;

    for (size_t i = 0; i < ARRAY_LEN(probes) && gap == NULL; i++) {
        enum plan_access access = plan_access_of(&plan, probes[i]);

        if (access == PLAN_HIDE)
            continue;
        if ((plan.traps & PLAN_TRAP_READ) == 0 && !is_late(probes[i]) &&
            !no_gap_at(scratch, probes[i], VERB_READ))
            gap = probes[i];
        if (access == PLAN_WRITE && (plan.traps & PLAN_TRAP_WRITE) == 0 &&
            !(no_gap_at(scratch, probes[i], VERB_WRITE) &&
              no_gap_at(scratch, probes[i], VERB_CREATE) &&
              no_gap_at(scratch, probes[i], VERB_DELETE)))
            gap = probes[i];
    }
    policy_scratch_free(scratch);
    return gap;
}

TEST(the_kernel_lets_nothing_through_that_the_policy_does_not_allow)
{
    size_t settled = 0;

    for (size_t round = 0; round < 1500; round++) {
        AUTO_BUF struct buf text;

        buf_init(&text, 1 << 16);
        for (size_t n = pick(3) + 1; n > 0; n--)
            add_rule(&text, false);
        for (size_t n = pick(3); n > 0; n--)
            add_rule(&text, true);
        CHECK(make(buf_cstr(&text)));
        const char *gap = find_gap();
        if (gap != NULL)
            printf("# %s is open under\n# %s\n", gap, buf_cstr(&text));
        CHECK(gap == NULL);
        settled += plan.traps == 0 || (plan.traps & PLAN_TRAP_READ) == 0;
        drop();
    }
    CHECK(settled > 300); /* else nothing was tried */
}

UNIT_MAIN(
    UNIT(folders_go_into_mounts_and_trap_nothing), UNIT(the_hosts_own_tmp_and_run_are_never_shown),
    UNIT(a_home_below_tmp_is_not_shown_by_a_rule_on_tmp), UNIT(a_folder_in_a_folder_overrides),
    UNIT(write_rules_beyond_folders_trap_writes), UNIT(read_rules_beyond_folders_trap_reads),
    UNIT(a_permit_beyond_folders_shows_no_more_than_its_folder),
    UNIT(the_start_of_a_pattern_is_a_folder_too), UNIT(one_file_is_mounted_alone),
    UNIT(what_is_hidden_before_it_exists_is_told), UNIT(sockets_are_seen_or_judged),
    UNIT(the_gate_is_needed_if_something_may_be_sent), UNIT(loopback_ports_are_those_named),
    UNIT(execs_are_verified_where_a_rule_looks_at_them), UNIT(a_rule_that_nobody_holds_is_an_error),
    UNIT(a_rule_may_go_unheld_if_that_is_said_by_its_name),
    UNIT(a_rule_on_what_passes_unread_is_an_error),
    UNIT(a_rule_on_requests_needs_connections_that_are_looked_into), UNIT(the_preset_is_lowered),
    UNIT(the_kernel_lets_nothing_through_that_the_policy_does_not_allow))
