/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, outcomes, entities, purity and packing of policies. */
#include "unit.h"

#include "base/mem.h"
#include "policy/plan.h"
#include "policy/policy.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOME "/home/u"
#define WORK HOME "/proj"

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef COUNTS_ALLOCATIONS
#define COUNTS_ALLOCATIONS 1
#endif

#if COUNTS_ALLOCATIONS
static size_t allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}
#endif

static const struct session session = {.agent = {"claude", 6},
                                       .user = {"u", 1},
                                       .home = {HOME, sizeof(HOME) - 1},
                                       .workspace = {WORK, sizeof(WORK) - 1}};

static struct err problem;

static struct policy *load(const char *text)
{
    struct policy_text t = {"test.cedar", str_of(text)};
    struct policy *p;

    problem = (struct err){0};
    p = policy_load(&t, 1, HOME, &problem);
    if (p == NULL && strchr(problem.text, '\n') == NULL)
        printf("# %s\n", problem.text);
    return p;
}

/* The decision on reading a file, writing it, or connecting, under a policy given as text. */
static struct decision decide(const char *text, enum verb verb, enum resource_kind kind,
                              const char *resource, int64_t port)
{
    struct policy *p = load(text);
    static struct decision d;
    static char rule[256], reason[VERDICT_REASON_MAX];
    struct action a;

    memset(&d, 0, sizeof(d));
    d.outcome = OUTCOME_KILL;
    d.reason = STR("the policy does not load");
    if (p == NULL) {
        printf("# %s\n", problem.text);
        return d;
    }
    struct policy_scratch *scratch = policy_scratch_new(p);
    action_init(&a, verb, kind, str_of(resource));
    if (port > 0)
        action_int(&a, FIELD_PORT, port);
    policy_decide(p, &session, &a, scratch, &d);
    snprintf(rule, sizeof(rule), "%.*s", d.nrules > 0 ? (int)d.rules[0].n : 0,
             d.nrules > 0 ? d.rules[0].p : "");
    snprintf(reason, sizeof(reason), "%.*s", (int)d.reason.n, d.reason.p);
    d.rules[0] = str_of(rule);
    d.reason = str_of(reason);
    policy_scratch_free(scratch);
    policy_free(p);
    return d;
}

#define PERMIT "@id(\"yes\") permit (principal, action, resource);\n"

static struct decision read_file(const char *text, const char *path)
{
    return decide(text, VERB_READ, RESOURCE_FILE, path, 0);
}

TEST(nothing_permits_is_deny)
{
    struct decision d = read_file("", "/x");

    CHECK(d.outcome == OUTCOME_DENY && d.nrules == 0 && !d.permitted);
    CHECK_STR(d.reason.p, "no rule permits it");
}

TEST(the_strictest_wins)
{
    static const char *const forbids[] = {
        "@id(\"a\") @ask(\"why\") forbid (principal, action, resource);",
        "@id(\"d\") @deny(\"no\") forbid (principal, action, resource);",
        "@id(\"f\") @freeze(\"stop\") forbid (principal, action, resource);",
        "@id(\"k\") @kill(\"end\") forbid (principal, action, resource);"};
    static const char *const reasons[] = {"why", "no", "stop", "end"};
    static const char *const ids[] = {"a", "d", "f", "k"};

    for (size_t high = 0; high < 4; high++) {
        for (size_t low = 0; low <= high; low++) {
            AUTO_FREE char *text =
                xasprintf("%s%s%s", PERMIT, forbids[high], low < high ? forbids[low] : "");
            struct decision d = read_file(text, "/x");

            CHECK(d.outcome == (enum outcome)(OUTCOME_ASK + high));
            CHECK(d.nrules == (low < high ? 2 : 1));
            CHECK_STR(d.rules[0].p, ids[high]);
            CHECK_STR(d.reason.p, reasons[high]);
        }
    }
}

TEST(ask_needs_a_permit)
{
    const char *forbid = "@ask(\"sure?\") forbid (principal, action, resource);";
    AUTO_FREE char *both = xasprintf("%s%s", PERMIT, forbid);
    struct decision d = read_file(forbid, "/x");

    CHECK(d.outcome == OUTCOME_DENY && d.nrules == 0);
    d = read_file(both, "/x");
    CHECK(d.outcome == OUTCOME_ASK && d.permitted);
    CHECK_STR(d.reason.p, "sure?");
}

TEST(an_error_in_a_forbid_denies)
{
    const char *text = PERMIT "@id(\"broken\") @ask(\"sure?\") "
                              "forbid (principal, action == Action::\"connect\", resource)\n"
                              "when { context.port * 9223372036854775807 > 4 };";
    struct decision d = decide(text, VERB_CONNECT, RESOURCE_HOST, "a.example", 443);

    CHECK(d.outcome == OUTCOME_DENY);
    CHECK_STR(d.rules[0].p, "broken");
    CHECK(strstr(d.reason.p, "rule broken cannot be evaluated: ") == d.reason.p);
    /* where its scope does not match, it says nothing */
    CHECK(read_file(text, "/x").outcome == OUTCOME_ALLOW);
    /* and where it can be evaluated, it says what it says */
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "a.example", 0).outcome == OUTCOME_ALLOW);
}

TEST(an_error_in_a_permit_does_not_permit)
{
    const char *text = "permit (principal, action == Action::\"connect\", resource)\n"
                       "when { context.port * 9223372036854775807 > 4 };";

    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "a.example", 443).outcome == OUTCOME_DENY);
}

TEST(the_home_is_expanded)
{
    const char *text = "permit (principal, action, resource) when "
                       "{ resource in Dir::\"~/a\" || resource == File::\"~/b\" || "
                       "resource in Dir::\"~\" && resource.name == \"c\" };"
                       "permit (principal, action, resource == File::\"~/d\");"
                       "permit (principal, action == Action::\"read\", resource) when "
                       "{ resource.path like \"~/.e.*\" };";

    CHECK(read_file(text, HOME "/a").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/a/deep/er").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/ab").outcome == OUTCOME_DENY);
    CHECK(read_file(text, HOME "/b").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/b/x").outcome == OUTCOME_DENY);
    CHECK(read_file(text, HOME "/x/c").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/d").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/.e.tmp").outcome == OUTCOME_ALLOW);
    CHECK(read_file(text, HOME "/.e").outcome == OUTCOME_DENY);
    CHECK(read_file(text, "/home/other/a").outcome == OUTCOME_DENY);
}

TEST(a_domain_is_not_a_prefix_or_suffix)
{
    const char *text = "permit (principal, action, resource in Domain::\"allowed.com\");";
    static const char *const inside[] = {"allowed.com", "a.allowed.com", "a.b.allowed.com"};
    static const char *const outside[] = {
        "allowed.com.evil", "notallowed.com",     "allowed.co",   "com",         "allowed-com",
        "allowed.com.",     "a.allowed.com.evil", ".allowed.com", "Allowed.com", "allowed.com/x",
        "u@allowed.com",    "allowed.com:443",    "allowed..com", "[::1]",       "1.2.3"};

    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, inside[i], 443).outcome == OUTCOME_ALLOW);
    for (size_t i = 0; i < ARRAY_LEN(outside); i++)
        CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, outside[i], 443).outcome == OUTCOME_DENY);
}

TEST(addresses_lie_in_nets)
{
    const char *text = "permit (principal, action, resource in Net::\"private\");"
                       "permit (principal, action == Action::\"connect\", resource is Host) when "
                       "{ resource has address && resource.address.isInRange(ip(\"9.0.0.0/8\")) };"
                       "permit (principal, action == Action::\"connect\", resource is Host) when "
                       "{ resource == Host::\"127.0.0.1\" && context.port == 8080 };";

    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "10.1.2.3", 1).outcome == OUTCOME_ALLOW);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "::ffff:10.1.2.3", 1).outcome == OUTCOME_ALLOW);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "11.1.2.3", 1).outcome == OUTCOME_DENY);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "9.9.9.9", 1).outcome == OUTCOME_ALLOW);
    /* all of the loopback is one host */
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "localhost", 8080).outcome == OUTCOME_ALLOW);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "127.9.9.9", 8080).outcome == OUTCOME_ALLOW);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "::1", 8080).outcome == OUTCOME_ALLOW);
    CHECK(decide(text, VERB_CONNECT, RESOURCE_HOST, "::1", 8081).outcome == OUTCOME_DENY);
}

TEST(a_path_has_bounds)
{
    AUTO_BUF struct buf deep;

    buf_init(&deep, 8192);
    for (size_t i = 0; i < POLICY_DEPTH_MAX; i++)
        buf_puts(&deep, "/d");
    CHECK(read_file(PERMIT, buf_cstr(&deep)).outcome == OUTCOME_ALLOW);
    buf_puts(&deep, "/d");
    struct decision d = read_file(PERMIT, buf_cstr(&deep));
    CHECK(d.outcome == OUTCOME_DENY);
    CHECK_STR(d.reason.p, "its path is too deep");
}

TEST(labels_are_groups_of_the_agent)
{
    struct policy *p = load("@label(\"secret\") permit (principal, action, resource);"
                            "forbid (principal in Label::\"secret\", action in Action::\"send\", "
                            "resource) when { principal in Label::\"untrusted\" };");
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);
    struct session s = session;
    struct decision d;
    struct action a;
    int secret = policy_label(p, STR("secret")), untrusted = policy_label(p, STR("untrusted"));

    CHECK(secret >= 0 && untrusted >= 0 && secret != untrusted);
    CHECK(policy_label(p, STR("other")) == -1);
    CHECK(str_is(policy_label_name(p, (unsigned)secret), "secret"));
    action_init(&a, VERB_READ, RESOURCE_FILE, STR("/x"));
    policy_decide(p, &s, &a, scratch, &d);
    CHECK(d.outcome == OUTCOME_ALLOW && d.labels == (uint64_t)1 << secret);
    s.labels |= d.labels;
    action_init(&a, VERB_CONNECT, RESOURCE_HOST, STR("a.example"));
    policy_decide(p, &s, &a, scratch, &d);
    CHECK(d.outcome == OUTCOME_ALLOW);
    s.labels |= (uint64_t)1 << untrusted;
    policy_decide(p, &s, &a, scratch, &d);
    CHECK(d.outcome == OUTCOME_DENY);
    policy_scratch_free(scratch);
    policy_free(p);
}

/* A policy that must not load, and a part of what is said about it. */
static const struct {
    const char *text, *said;
} refused[] = {
    {"permit (principal, action, resource)", "test.cedar:1:"},
    {"permit (principal, action, resource);\n  permit (principle, action, resource);",
     "test.cedar:2:11: error: "},
    {"permit (principal, action == Action::\"raed\", resource);", "raed"},
    {"permit (principal, action, resource == Fil::\"/x\");", "Fil"},
    {"permit (principal, action == Action::\"read\", resource) when { resource.pth == \"x\" };",
     "pth"},
    {"permit (principal, action == Action::\"read\", resource) when { context.port == 1 };",
     "port"},
    {"permit (principal, action, resource == File::\"/a/\");", "final slash"},
    {"permit (principal, action, resource == File::\"a\");", "absolute"},
    {"permit (principal, action, resource == File::\"/a/../b\");", "absolute"},
    {"permit (principal, action, resource in Dir::\"/a/*\");", "'*' has no meaning"},
    {"permit (principal, action, resource in Dir::\"~u/x\");", "absolute"},
    {"permit (principal, action, resource == Host::\"Example.com\");", "lower-case"},
    {"permit (principal, action, resource == Host::\"example.com:443\");", "context.port"},
    {"permit (principal, action, resource == Host::\"*.example.com\");", "Domain"},
    {"permit (principal, action, resource in Net::\"intranet\");", "intranet"},
    {"permit (principal, action == Action::\"read\", resource) when "
     "{ resource.path == \"~/x\" };",
     "absolute"},
    {"@aks(\"x\") forbid (principal, action, resource);", "@ask"},
    {"@ask(\"x\") permit (principal, action, resource);", "belongs on a forbid"},
    {"@label(\"x\") forbid (principal, action, resource);", "belongs on a permit"},
    {"@id(\"a\") permit (principal, action, resource);\n"
     "@id(\"a\") forbid (principal, action, resource);",
     "two rules have the id"},
    {"@id(\"a b\") permit (principal, action, resource);", "an id has"},
    {"permit (principal == ?principal, action, resource);", "template"},
    {"permit (principal, action, resource == Tool::\"Bash\");", "server/tool"},
    {"permit (principal, action, resource == Model::\"anthropic/claude-*\");",
     "resource.name like"},
    {"permit (principal, action, resource in Provider::\"a/b\");", "without '/'"},
    {"@inject permit (principal, action, resource);", "name of a credential"},
    {"@inject(\"x\") forbid (principal, action, resource);", "belongs on a permit"},
};

TEST(what_is_wrong_is_said_with_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct policy *p = load(refused[i].text);

        if (p != NULL || strstr(problem.text, refused[i].said) == NULL ||
            strncmp(problem.text, "test.cedar:", 11) != 0 || strchr(problem.text, '^') == NULL) {
            printf("# %s\n# -> %s\n", refused[i].text, p != NULL ? "loads" : problem.text);
            unit_failed = true;
        }
        CHECK(p != NULL || problem.code == EX_POLICY);
        policy_free(p);
    }
}

TEST(ids_of_several_files_are_distinct)
{
    struct policy_text texts[] = {{"a.cedar", STR("permit (principal, action, resource);")},
                                  {"b.cedar", STR("forbid (principal, action, resource);\n"
                                                  "permit (principal, action, resource);")}};
    struct err e = {0};
    struct policy *p = policy_load(texts, 2, HOME, &e);

    CHECK(p != NULL);
    CHECK(policy_rules(p) == 3);
    CHECK(strcmp(policy_rule(p, 0).id, policy_rule(p, 1).id) != 0);
    CHECK_STR(policy_rule(p, 2).file, "b.cedar");
    CHECK(policy_rule(p, 2).line == 2);
    policy_free(p);
}

TEST(deciding_allocates_nothing)
{
#if COUNTS_ALLOCATIONS
    struct policy_text text = {"coding", policy_preset("coding")};
    struct err e = {0};
    struct policy *p = policy_load(&text, 1, HOME, &e);
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);
    static const char *const paths[] = {WORK "/a", HOME "/.ssh/x", WORK "/.envrc", "bad"};
    struct decision d;
    struct action a;
    size_t before = allocations;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        action_init(&a, VERB_CREATE, RESOURCE_FILE, str_of(paths[i]));
        policy_decide(p, &session, &a, scratch, &d);
    }
    action_init(&a, VERB_CONNECT, RESOURCE_HOST, STR("api.anthropic.com"));
    action_int(&a, FIELD_PORT, 443);
    policy_decide(p, &session, &a, scratch, &d);
    action_init(&a, VERB_RESOLVE, RESOURCE_HOST, STR("api.anthropic.com"));
    policy_decide(p, &session, &a, scratch, &d);
    CHECK(d.outcome == OUTCOME_ALLOW);
    CHECK(allocations == before);
    policy_scratch_free(scratch);
    policy_free(p);
    CHECK(allocations > 0);
#else
    SKIP("the sanitizer has its own allocator");
#endif
}

TEST(a_packed_policy_is_the_same)
{
    struct policy_text texts[] = {{"a.cedar", STR(PERMIT)},
                                  {"b.cedar", STR("@id(\"no\") forbid (principal, action, resource "
                                                  "== File::\"~/x\");")}};
    struct err e = {0};
    AUTO_BUF struct buf packed;
    struct policy *p = policy_load(texts, 2, HOME, &e), *q;

    CHECK(p != NULL);
    buf_init(&packed, POLICY_PACK_MAX);
    policy_pack(p, &packed);
    CHECK(!packed.full);
    q = policy_unpack(buf_str(&packed), &e);
    CHECK(q != NULL);
    CHECK(policy_rules(q) == policy_rules(p));
    for (size_t i = 0; i < policy_rules(p); i++) {
        CHECK_STR(policy_rule(q, i).id, policy_rule(p, i).id);
        CHECK_STR(policy_rule(q, i).file, policy_rule(p, i).file);
    }
    for (size_t n = 0; n < packed.n; n++) {
        struct policy *cut = policy_unpack((struct str){packed.p, n}, &e);

        CHECK(cut == NULL || policy_rules(cut) < policy_rules(p));
        policy_free(cut);
    }
    policy_free(p);
    policy_free(q);
}

/* A home in which ~/cache is a link to elsewhere. */
struct world {
    char root[64], cache[128], elsewhere[128], home[96], work[128], git[160];
};

static void world_make(struct world *w)
{
    snprintf(w->root, sizeof(w->root), "/tmp/belay-test-policy-XXXXXX");
    if (mkdtemp(w->root) == NULL)
        abort();
    snprintf(w->home, sizeof(w->home), "%s/home", w->root);
    snprintf(w->work, sizeof(w->work), "%s/work", w->home);
    snprintf(w->git, sizeof(w->git), "%s/.git", w->work);
    snprintf(w->cache, sizeof(w->cache), "%s/cache", w->home);
    snprintf(w->elsewhere, sizeof(w->elsewhere), "%s/elsewhere", w->root);
    if (mkdir(w->home, 0700) != 0 || mkdir(w->work, 0700) != 0 || mkdir(w->git, 0700) != 0 ||
        mkdir(w->elsewhere, 0700) != 0 || symlink("../elsewhere", w->cache) != 0)
        abort();
}

static void world_remove(const struct world *w)
{
    (void)unlink(w->cache);
    (void)rmdir(w->git);
    (void)rmdir(w->work);
    (void)rmdir(w->home);
    (void)rmdir(w->elsewhere);
    (void)rmdir(w->root);
}

static enum outcome decide_in(const struct policy *p, const struct session *s, enum verb verb,
                              const char *folder, const char *name)
{
    struct policy_scratch *scratch = policy_scratch_new(p);
    AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
    struct decision d;
    struct action a;

    action_init(&a, verb, RESOURCE_FILE, str_of(path));
    policy_decide(p, s, &a, scratch, &d);
    policy_scratch_free(scratch);
    return d.outcome;
}

TEST(rules_hold_for_what_a_link_leads_to)
{
    struct policy_text text = {"t", STR("permit (principal, action, resource in Dir::\"~/cache\");"
                                        "permit (principal, action == Action::\"write\", resource)"
                                        "when { principal has repository && "
                                        "resource in principal.repository };")};
    struct err e = {0};
    AUTO_BUF struct buf packed;
    struct world w;

    world_make(&w);
    struct session s = {str_of("a"), str_of("u"), str_of(w.home), str_of(w.work), 0, {0}};
    struct policy *p = policy_load(&text, 1, w.home, &e);
    CHECK(p != NULL);
    CHECK(decide_in(p, &s, VERB_READ, w.elsewhere, "x") == OUTCOME_DENY);
    CHECK(policy_resolve(p, &s, &e));
    CHECK(decide_in(p, &s, VERB_READ, w.elsewhere, "x") == OUTCOME_ALLOW);
    CHECK(decide_in(p, &s, VERB_READ, w.root, "elsewhere2") == OUTCOME_DENY);
    CHECK(decide_in(p, &s, VERB_WRITE, w.git, "config") == OUTCOME_ALLOW);
    buf_init(&packed, POLICY_PACK_MAX);
    policy_pack(p, &packed);
    struct policy *q = policy_unpack(buf_str(&packed), &e);
    CHECK(q != NULL);
    CHECK(decide_in(q, &s, VERB_READ, w.elsewhere, "x") == OUTCOME_ALLOW);
    CHECK(decide_in(q, &s, VERB_WRITE, w.git, "config") == OUTCOME_ALLOW);
    policy_free(p);
    policy_free(q);
    text.bytes = STR("permit (principal, action, resource == File::\"~/cache\");");
    p = policy_load(&text, 1, w.home, &e);
    CHECK(p != NULL);
    CHECK(!policy_resolve(p, &s, &e));
    CHECK(strstr(e.text, "symbolic link") != NULL);
    policy_free(p);
    world_remove(&w);
}

TEST(a_link_that_the_agent_can_change_decides_nothing)
{
    static const char *const texts[] = {
        "permit (principal, action, resource in Dir::\"~/cache\");",     /* ~ is not the agent's */
        "permit (principal, action, resource in Dir::\"~/work/link\");", /* the workspace is */
        "forbid (principal, action, resource in Dir::\"~/work/link\");"};
    struct plan_host host;
    struct arena arena = {0};
    struct err e = {0};
    struct world w;

    world_make(&w);
    AUTO_FREE char *link = xasprintf("%s/link", w.work);
    CHECK(symlink(w.elsewhere, link) == 0);
    CHECK(plan_host_probe(&host, &arena, &e));
    CHECK(host.ntops > 0);
    struct session s = {str_of("a"), str_of("u"), str_of(w.home), str_of(w.work), 0, {0}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_FREE char *text = xasprintf("%s permit (principal, action, resource) when "
                                         "{ resource in principal.workspace };",
                                         texts[i]);
        struct policy_text t = {"t", str_of(text)};
        struct policy *p = policy_load(&t, 1, w.home, &e);
        struct plan plan;

        CHECK(p != NULL && policy_resolve(p, &s, &e));
        bool good = policy_plan(p, &s, &host, &plan, &e);
        CHECK(good == (i != 1));
        CHECK(good || strstr(e.text, "a symbolic link that the agent can change") != NULL);
        if (good)
            plan_release(&plan);
        policy_free(p);
    }
    (void)unlink(link);
    arena_release(&arena);
    world_remove(&w);
}

/* ---- requests, inference, calls ------------------------------------------------------- */

#define REQUESTS                                                      \
    "@id(\"api\") permit (principal, action == Action::\"request\", " \
    "resource == Host::\"api.example\");\n"

static struct decision connect_to(const char *text, const char *host)
{
    return decide(text, VERB_CONNECT, RESOURCE_HOST, host, 443);
}

TEST(a_permit_for_requests_brings_the_connection)
{
    struct decision d = connect_to(REQUESTS, "api.example");

    CHECK(d.outcome == OUTCOME_ALLOW && d.permitted && d.nrules == 1);
    CHECK_STR(d.rules[0].p, "api");
    CHECK(d.duties == (DUTY_OPEN | DUTY_ONLY_HTTP));
    CHECK(connect_to(REQUESTS, "other.example").outcome == OUTCOME_DENY);
    CHECK(decide(REQUESTS, VERB_RESOLVE, RESOURCE_HOST, "api.example", 0).outcome == OUTCOME_ALLOW);
    CHECK(decide(REQUESTS, VERB_RESOLVE, RESOURCE_HOST, "b.example", 0).outcome == OUTCOME_DENY);
}

TEST(a_connect_permit_alone_opens_nothing)
{
    static const char connect[] =
        "permit (principal, action == Action::\"connect\", resource is Host);\n";
    AUTO_FREE char *both = xasprintf("%s%s", connect, REQUESTS);

    CHECK(connect_to(connect, "api.example").duties == 0);
    struct decision d = connect_to(both, "api.example");
    CHECK(d.outcome == OUTCOME_ALLOW && d.duties == DUTY_OPEN);
    CHECK(connect_to(both, "other.example").duties == 0);
}

TEST(a_forbid_on_the_connection_holds)
{
    AUTO_FREE char *denied = xasprintf("%sforbid (principal, action == Action::\"connect\", "
                                       "resource) when { context.port == 443 };",
                                       REQUESTS);
    AUTO_FREE char *asked = xasprintf(
        "%s@ask(\"sure?\") forbid (principal, action == Action::\"connect\", resource);", REQUESTS);

    CHECK(connect_to(denied, "api.example").outcome == OUTCOME_DENY);
    struct decision d = connect_to(asked, "api.example");
    CHECK(d.outcome == OUTCOME_ASK && d.permitted);
    CHECK(d.duties == (DUTY_OPEN | DUTY_ONLY_HTTP));
    CHECK(connect_to(asked, "other.example").outcome == OUTCOME_DENY);
}

TEST(what_opens_is_what_could_be_permitted)
{
    /* a condition, and which of a.example and b.example it opens */
    static const struct {
        const char *condition;
        bool a, b;
    } cases[] = {
        {"when { resource in Domain::\"a.example\" }", true, false},
        {"when { [Host::\"a.example\"].contains(resource) }", true, false},
        {"when { resource in [Host::\"a.example\"] }", true, false},
        {"when { resource.name like \"a.*\" }", true, false},
        {"when { context.port == 1 && resource.name == \"a.example\" }", true, false},
        {"when { resource.name == \"a.example\" && context.port == 1 }", true, false},
        {"when { context.port == 1 } when { resource.name == \"a.example\" }", true, false},
        {"when { (context.port == 1) && (resource.name == \"a.example\") // && context\n }", true,
         false},
        {"when { resource.name == \"a.example\" || resource.name == \"c\" }", true, false},
        {"when { resource.name == \"a.example\" || context.port == 1 }", true, true},
        {"when { context.port == 1 && resource.name == \"a.example\" || context.port == 2 }", true,
         true},
        {"when { if resource.name == \"a.example\" then context.port == 1 else false }", true,
         true},
        {"unless { resource.name == \"b.example\" }", true, false},
        {"unless { resource.name == \"b.example\" && context.port == 1 }", true, true},
        {"when { context.path like \"/&&/*\" && resource.name == \"a.example\" }", true, false},
        {"when { \"} context { && \" == \"x\" || resource.name == \"a.example\" }", true, false},
        {"when { principal in Label::\"none\" }", false, false},
        {"when { resource has address && resource.address.isLoopback() }", false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *text =
            xasprintf("permit (principal, action == Action::\"request\", resource is Host) %s;",
                      cases[i].condition);

        printf("# %s\n", cases[i].condition);
        CHECK(connect_to(text, "a.example").permitted == cases[i].a);
        CHECK(connect_to(text, "b.example").permitted == cases[i].b);
    }
}

TEST(hosts_of_providers_open_where_inference_is_permitted)
{
    static const char text[] =
        "permit (principal, action == Action::\"connect\", resource is Host);\n"
        "permit (principal, action == Action::\"infer\", resource in Provider::\"anthropic\");";

    CHECK(connect_to(text, "api.anthropic.com").duties == DUTY_OPEN);
    CHECK(connect_to(text, "registry.npmjs.org").duties == 0);
}

/* Decides a request with these headers, and these things that it carries, under a policy. */
static struct decision decide_lists(const char *text, enum verb verb, enum resource_kind kind,
                                    const char *resource, enum field_id list,
                                    const char *const *items, size_t n)
{
    struct policy *p = load(text);
    AUTO_BUF struct buf b = {0};
    static struct decision d;
    struct action a;

    memset(&d, 0, sizeof(d));
    d.outcome = OUTCOME_KILL;
    if (p == NULL) {
        printf("# %s\n", problem.text);
        return d;
    }
    struct policy_scratch *scratch = policy_scratch_new(p);
    buf_init(&b, 4096);
    for (size_t i = 0; i < n; i++)
        action_list_add(&b, str_of(items[i]));
    action_init(&a, verb, kind, str_of(resource));
    action_list(&a, list, buf_str(&b));
    action_str(&a, FIELD_OP, verb == VERB_CALL ? STR("intent") : STR("head"));
    policy_decide(p, &session, &a, scratch, &d);
    policy_scratch_free(scratch);
    policy_free(p);
    return d;
}

TEST(an_item_is_found_by_its_name_too)
{
    static const struct {
        enum verb verb;
        enum resource_kind kind;
        const char *resource;
        enum field_id field;
        const char *item, *name;
    } cases[] = {
        {VERB_EXEC, RESOURCE_PROGRAM, "/bin/x", FIELD_ENV, "LD_PRELOAD=/tmp/a=b", "LD_PRELOAD"},
        {VERB_REQUEST, RESOURCE_HOST, "a.example", FIELD_HEADERS, "x-debug: a:b", "x-debug"},
        {VERB_REQUEST, RESOURCE_HOST, "a.example", FIELD_CARRIES, "secret:aws", "secret"},
        {VERB_CALL, RESOURCE_TOOL, "agent/Bash", FIELD_CARRIES, "secret:aws", "secret"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const wanted[] = {cases[i].item, cases[i].name};

        for (size_t k = 0; k < 2; k++) {
            AUTO_FREE char *text = xasprintf(
                "permit (principal, action, resource);\n@id(\"no\") forbid (principal, action == "
                "Action::\"%s\", resource) when { context.%s.contains(\"%s\") };",
                verb_name(cases[i].verb), field_name(cases[i].field), wanted[k]);

            CHECK(decide_lists(text, cases[i].verb, cases[i].kind, cases[i].resource,
                               cases[i].field, &cases[i].item, 1)
                      .outcome == OUTCOME_DENY);
            CHECK(decide_lists(text, cases[i].verb, cases[i].kind, cases[i].resource,
                               cases[i].field, &cases[i].item, 0)
                      .outcome == OUTCOME_ALLOW);
        }
    }
}

TEST(without_a_permit_about_it_only_forbids_decide_on_inference_and_intents)
{
    static const char base[] =
        "permit (principal, action in [Action::\"connect\", Action::\"request\"], resource is "
        "Host);"
        "forbid (principal, action == Action::\"call\", resource == Tool::\"agent/Bash\");"
        "forbid (principal, action == Action::\"infer\", resource in Provider::\"xai\");";
    AUTO_FREE char *strict = xasprintf(
        "%s permit (principal, action == Action::\"call\", resource in Server::\"forum\");"
        "permit (principal, action == Action::\"infer\", resource == Model::\"anthropic/a\");",
        base);
    static const struct {
        enum verb verb;
        enum resource_kind kind;
        const char *resource;
        enum outcome lenient, strict;
    } cases[] = {
        {VERB_INFER, RESOURCE_MODEL, "anthropic/a", OUTCOME_ALLOW, OUTCOME_ALLOW},
        {VERB_INFER, RESOURCE_MODEL, "anthropic/b", OUTCOME_ALLOW, OUTCOME_DENY},
        {VERB_INFER, RESOURCE_MODEL, "xai/grok", OUTCOME_DENY, OUTCOME_DENY},
        {VERB_INFER, RESOURCE_MODEL, "noslash", OUTCOME_DENY, OUTCOME_DENY},
        {VERB_CALL, RESOURCE_TOOL, "agent/Bash", OUTCOME_DENY, OUTCOME_DENY},
        {VERB_CALL, RESOURCE_TOOL, "agent/Read", OUTCOME_ALLOW, OUTCOME_DENY},
        {VERB_CALL, RESOURCE_TOOL, "forum/post", OUTCOME_ALLOW, OUTCOME_ALLOW},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        printf("# %s\n", cases[i].resource);
        CHECK(decide_lists(base, cases[i].verb, cases[i].kind, cases[i].resource, FIELD_CARRIES,
                           NULL, 0)
                  .outcome == cases[i].lenient);
        CHECK(decide_lists(strict, cases[i].verb, cases[i].kind, cases[i].resource, FIELD_CARRIES,
                           NULL, 0)
                  .outcome == cases[i].strict);
    }
    /* a call that is no intent has effects: it needs its permit */
    CHECK(decide(base, VERB_CALL, RESOURCE_TOOL, "agent/Read", 0).outcome == OUTCOME_DENY);
}

TEST(what_is_spent_decides)
{
    struct policy *p = load("permit (principal, action == Action::\"infer\", resource);"
                            "@freeze(\"budget spent\") forbid (principal, action == "
                            "Action::\"infer\", resource) when { context.spent.cents > 2000 || "
                            "context.spent.tokens > 5 || context.spent.requests > 9 };");
    CHECK(p != NULL);
    struct policy_scratch *scratch = policy_scratch_new(p);
    static const struct spent fine = {2000, 5, 9}, over[] = {{2001, 0, 0}, {0, 6, 0}, {0, 0, 10}};
    struct session s = session;
    struct decision d;
    struct action a;

    action_init(&a, VERB_INFER, RESOURCE_MODEL, STR("anthropic/a"));
    s.spent = fine;
    policy_decide(p, &s, &a, scratch, &d);
    CHECK(d.outcome == OUTCOME_ALLOW);
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        s.spent = over[i];
        policy_decide(p, &s, &a, scratch, &d);
        CHECK(d.outcome == OUTCOME_FREEZE);
    }
    policy_scratch_free(scratch);
    policy_free(p);
}

TEST(duties_tell_the_gate_what_to_do)
{
    static const char text[] =
        "@inject(\"key\") @redact permit (principal, action == Action::\"request\", resource == "
        "Host::\"api.example\");"
        "forbid (principal, action == Action::\"request\", resource) when "
        "{ context.carries.contains(\"card\") };"
        "forbid (principal, action == Action::\"call\", resource == Tool::\"agent/x\");";
    struct decision d = connect_to(text, "api.example");

    CHECK(d.duties == (DUTY_OPEN | DUTY_ONLY_HTTP | DUTY_SCAN | DUTY_CALLS));
    d = decide_lists(text, VERB_REQUEST, RESOURCE_HOST, "api.example", FIELD_CARRIES, NULL, 0);
    CHECK(d.outcome == OUTCOME_ALLOW);
    CHECK(d.duties == (DUTY_INJECT | DUTY_REDACT | DUTY_SCAN | DUTY_CALLS));
}

static bool looks(const char *condition, enum field_id f)
{
    AUTO_FREE char *text = xasprintf(
        "forbid (principal, action == Action::\"request\", resource) when { %s };", condition);
    struct policy *p = load(text);
    bool y = p != NULL && policy_looks_at(p, f);

    policy_free(p);
    return y;
}

TEST(what_a_policy_looks_at_is_known)
{
    CHECK(looks("context.carries.contains(\"x\")", FIELD_CARRIES));
    CHECK(looks("context . carries.isEmpty()", FIELD_CARRIES));
    CHECK(looks("context[\"carries\"].isEmpty()", FIELD_CARRIES));
    CHECK(looks("context has address && context.address.isLoopback()", FIELD_ADDRESS));
    CHECK(looks("[context].contains(context)", FIELD_CARRIES)); /* as a whole */
    CHECK(!looks("context.path like \"/x*\"", FIELD_CARRIES));
    CHECK(looks("context.path like \"/x*\"", FIELD_PATH));
}

UNIT_MAIN(UNIT(nothing_permits_is_deny), UNIT(the_strictest_wins), UNIT(ask_needs_a_permit),
          UNIT(an_error_in_a_forbid_denies), UNIT(an_error_in_a_permit_does_not_permit),
          UNIT(the_home_is_expanded), UNIT(a_domain_is_not_a_prefix_or_suffix),
          UNIT(addresses_lie_in_nets), UNIT(a_path_has_bounds),
          UNIT(labels_are_groups_of_the_agent), UNIT(what_is_wrong_is_said_with_its_place),
          UNIT(ids_of_several_files_are_distinct), UNIT(deciding_allocates_nothing),
          UNIT(a_packed_policy_is_the_same), UNIT(rules_hold_for_what_a_link_leads_to),
          UNIT(a_link_that_the_agent_can_change_decides_nothing),
          UNIT(a_permit_for_requests_brings_the_connection),
          UNIT(a_connect_permit_alone_opens_nothing), UNIT(a_forbid_on_the_connection_holds),
          UNIT(what_opens_is_what_could_be_permitted),
          UNIT(hosts_of_providers_open_where_inference_is_permitted),
          UNIT(an_item_is_found_by_its_name_too),
          UNIT(without_a_permit_about_it_only_forbids_decide_on_inference_and_intents),
          UNIT(what_is_spent_decides), UNIT(duties_tell_the_gate_what_to_do),
          UNIT(what_a_policy_looks_at_is_known))
