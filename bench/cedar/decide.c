/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-cedar N [DIR] - decisions of libcedar with N policies.
 *
 * The policies are what people write for agents: who may read or write below which folder, run
 * which programs, reach which hosts, each for a project of its own, and ten rules that concern
 * everybody. The requests are writes of files six folders deep, program starts and connections.
 * A request is built anew from a path or host name for each decision, its folders and domains on
 * the stack, as a program would that judges what it sees; the labels of agents stand in the
 * entity store.
 *
 * With DIR it writes policies.cedar and requests.json there, for a peer to do the same with, and
 * the decisions that it came to. Prints one line of JSON: times in nanoseconds of single
 * decisions (clock_gettime around each, its own cost taken off), and the rate of all in a row.
 * With the environment's BENCH_CALLS=K it decides K times and measures nothing: for callgrind,
 * with --toggle-collect=decide_one.
 */
#include "cedar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REQUESTS = 1024, ROUNDS = 200, MAX_PARTS = 16, AGENTS = 16 };

/* Names that requests use, interned first so that they are constants. */
enum {
    N_AGENT = 1,
    N_LABEL,
    N_FILE,
    N_DIR,
    N_PROGRAM,
    N_HOST,
    N_DOMAIN,
    N_ACTION,
    N_PATH,
    N_ARGS,
    N_PORT,
    N_METHOD
};
static const struct cedar_str vocabulary[] = {
    {"Agent", 5},  {"Label", 5},  {"File", 4}, {"Dir", 3},  {"Program", 7}, {"Host", 4},
    {"Domain", 6}, {"Action", 6}, {"path", 4}, {"args", 4}, {"port", 4},    {"method", 6},
};

/* What an adapter saw. */
struct sight {
    const char *action; /* "write", "exec", "connect" */
    const char *agent;
    char object[160]; /* path or host */
    char args[64];
};

struct world {
    struct cedar_names *names;
    struct cedar_policies *policies;
    struct cedar_program *program;
    struct cedar_entities *entities;
    struct sight sights[REQUESTS];
    char *scratch;
    size_t scratch_size;
};

static const char *const agents[AGENTS] = {
    "agent-0", "agent-1", "agent-2",  "agent-3",  "agent-4",  "agent-5",  "agent-6",  "agent-7",
    "agent-8", "agent-9", "agent-10", "agent-11", "agent-12", "agent-13", "agent-14", "agent-15",
};

static void must(enum cedar_status status, const struct cedar_error *err)
{
    if (status == CEDAR_OK)
        return;
    fprintf(stderr, "bench-cedar: %s\n", err->message);
    exit(1);
}

/* ---- the policies ----------------------------------------------------------------- */

static const char general[] =
    "permit (principal, action in [Action::\"read\", Action::\"write\"],"
    " resource in Dir::\"/srv/common\");\n"
    "@id(\"no-hooks\") forbid (principal, action == Action::\"write\", resource)"
    " when { resource.path like \"*/.git/hooks/*\" };\n"
    "forbid (principal, action == Action::\"write\", resource in Dir::\"/etc\");\n"
    "forbid (principal, action in [Action::\"read\", Action::\"write\"], resource)"
    " when { resource.path like \"*/.ssh/*\" || resource.path like \"*/.aws/*\" };\n"
    "permit (principal, action == Action::\"exec\", resource in Dir::\"/usr/bin\");\n"
    "forbid (principal, action == Action::\"exec\", resource) when { context.args like "
    "\"*--force*\" };\n"
    "forbid (principal, action == Action::\"connect\", resource) when { context.port == 25 };\n"
    "forbid (principal in Label::\"secret\", action == Action::\"connect\", resource)"
    " unless { resource in Label::\"trusted\" };\n"
    "permit (principal, action == Action::\"connect\", resource == "
    "Host::\"registry.example.org\");\n"
    "forbid (principal, action == Action::\"connect\", resource in Domain::\"tracker.example\");\n";

/* The ith rule of a project. */
static void put_rule(FILE *out, unsigned i)
{
    unsigned project = i / 5;

    switch (i % 5) {
    case 0:
        fprintf(out,
                "permit (principal in Label::\"team-%u\", action in [Action::\"read\", "
                "Action::\"write\"], resource in Dir::\"/srv/project-%u\");\n",
                project % 64, project);
        break;
    case 1:
        fprintf(out,
                "forbid (principal, action == Action::\"write\", resource in "
                "Dir::\"/srv/project-%u/config\") when { resource.path like \"*.lock\" };\n",
                project);
        break;
    case 2:
        fprintf(out,
                "permit (principal in Label::\"team-%u\", action == Action::\"exec\", resource "
                "in Dir::\"/opt/tools-%u\") unless { context.args like \"*rm -rf*\" };\n",
                project % 64, project);
        break;
    case 3:
        fprintf(out,
                "permit (principal in Label::\"team-%u\", action == Action::\"connect\", "
                "resource in Domain::\"svc-%u.example.com\") when { context.port == 443 };\n",
                project % 64, project);
        break;
    default:
        fprintf(out, "forbid (principal == Agent::\"agent-x%u\", action, resource is File);\n",
                project);
        break;
    }
}

static char *policy_text(unsigned n, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    unsigned have = 0;

    if (out == NULL)
        exit(1);
    for (const char *p = general; *p != '\0' && have < n; have++) {
        const char *end = strchr(p, '\n') + 1;

        fwrite(p, 1, (size_t)(end - p), out);
        p = end;
    }
    for (unsigned i = 0; have < n; i++, have++)
        put_rule(out, i);
    fclose(out);
    return text;
}

/* ---- the requests ----------------------------------------------------------------- */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void draw_sights(struct sight *sights, unsigned n)
{
    static const char *const args[] = {"-la", "build --release", "push --force", "rm -rf /"};
    unsigned projects = n > 10 ? (n - 10) / 5 + 1 : 1;
    uint64_t seed = 42;

    for (unsigned i = 0; i < REQUESTS; i++) {
        struct sight *s = &sights[i];
        unsigned project = next_random(&seed) % projects, pick = next_random(&seed) % 8;

        /* most of the time an agent works on what its team owns */
        s->agent = agents[pick == 7 ? next_random(&seed) % AGENTS : project % AGENTS];
        if (pick < 5) {
            s->action = "write";
            snprintf(s->object, sizeof(s->object),
                     "/srv/project-%u/%s/module-%u/deep/er/file-%u.%s", project,
                     pick == 0 ? "config" : "src", next_random(&seed) % 10, i,
                     i % 9 == 0 ? "lock" : "c");
        } else if (pick == 5) {
            s->action = "exec";
            snprintf(s->object, sizeof(s->object), "/opt/tools-%u/bin/tool-%u", project, i % 7);
            snprintf(s->args, sizeof(s->args), "%s", args[i % 4]);
        } else {
            s->action = "connect";
            snprintf(s->object, sizeof(s->object), "api-%u.svc-%u.example.com", i % 3, project);
        }
    }
}

/* ---- one decision ----------------------------------------------------------------- */

/* A request on the stack. */
struct built {
    struct cedar_request request;
    struct cedar_entity own;
    struct cedar_uid parents[MAX_PARTS];
    struct cedar_field attrs[1], context[2];
};

static void build_path(struct built *b, const struct sight *s, cedar_name type)
{
    struct cedar_str path = cedar_str(s->object);
    uint32_t n = 0;

    for (size_t i = path.len; i > 1 && n < MAX_PARTS; i--)
        if (path.ptr[i - 1] == '/')
            b->parents[n++] = cedar_uid(N_DIR, (struct cedar_str){path.ptr, i - 1});
    b->attrs[0] = (struct cedar_field){N_PATH, cedar_string(path)};
    b->own = (struct cedar_entity){.uid = cedar_uid(type, path),
                                   .parents = b->parents,
                                   .n_parents = n,
                                   .attrs = b->attrs,
                                   .n_attrs = 1};
}

static void build_host(struct built *b, const struct sight *s)
{
    struct cedar_str host = cedar_str(s->object);
    uint32_t n = 0;

    for (size_t i = 0; i < host.len && n < MAX_PARTS; i++)
        if (host.ptr[i] == '.')
            b->parents[n++] =
                cedar_uid(N_DOMAIN, (struct cedar_str){host.ptr + i + 1, host.len - i - 1});
    b->own = (struct cedar_entity){
        .uid = cedar_uid(N_HOST, host), .parents = b->parents, .n_parents = n};
}

static void build(struct built *b, const struct sight *s)
{
    b->request = (struct cedar_request){
        .principal = cedar_uid(N_AGENT, cedar_str(s->agent)),
        .action = cedar_uid(N_ACTION, cedar_str(s->action)),
        .context = b->context,
        .entities = &b->own,
        .n_entities = 1,
    };
    if (s->action[0] == 'c') {
        build_host(b, s);
        b->context[0] = (struct cedar_field){N_PORT, cedar_long(443)};
        b->request.n_context = 1;
    } else {
        build_path(b, s, s->action[0] == 'e' ? N_PROGRAM : N_FILE);
        b->context[0] = (struct cedar_field){N_ARGS, cedar_string(cedar_str(s->args))};
        b->request.n_context = 1;
    }
    b->request.resource = b->own.uid;
}

static __attribute__((noinline)) void decide_one(const struct world *w, const struct sight *s,
                                                 struct cedar_answer *answer)
{
    struct built b;

    build(&b, s);
    cedar_decide(w->program, w->entities, &b.request, w->scratch, w->scratch_size, answer);
}

/* ---- set-up ----------------------------------------------------------------------- */

static void load_agents(struct world *w)
{
    struct cedar_entity list[AGENTS] = {0};
    struct cedar_uid labels[AGENTS][5];
    char names[AGENTS][4][16];
    struct cedar_error err = {0};

    for (unsigned i = 0; i < AGENTS; i++) {
        for (unsigned k = 0; k < 4; k++) {
            snprintf(names[i][k], sizeof(names[i][k]), "team-%u", i + 16 * k);
            labels[i][k] = cedar_uid(N_LABEL, cedar_str(names[i][k]));
        }
        labels[i][4] = cedar_uid(N_LABEL, i % 8 == 3 ? CEDAR_STR("secret") : CEDAR_STR("plain"));
        list[i] = (struct cedar_entity){
            .uid = cedar_uid(N_AGENT, cedar_str(agents[i])), .parents = labels[i], .n_parents = 5};
    }
    must(cedar_entities_build(w->names, NULL, list, AGENTS, &w->entities, &err), &err);
}

static void set_up(struct world *w, unsigned n)
{
    struct cedar_error err = {0};
    size_t len;
    char *text = policy_text(n, &len);

    w->names = cedar_names_new(NULL, vocabulary, sizeof(vocabulary) / sizeof(vocabulary[0]));
    must(cedar_policies_parse(w->names, NULL, (struct cedar_str){text, len}, &w->policies, &err),
         &err);
    free(text);
    must(cedar_compile(w->policies, NULL, &w->program, &err), &err);
    load_agents(w);
    draw_sights(w->sights, n);
    w->scratch_size = cedar_scratch_size(w->program, 64);
    w->scratch = malloc(w->scratch_size);
    if (w->scratch == NULL)
        exit(1);
}

/* ---- for the peer ----------------------------------------------------------------- */

static FILE *create(const char *dir, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "we");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

/* Nothing in these strings needs an escape. */
static void put_uid(FILE *out, const struct world *w, const struct cedar_uid *uid)
{
    fprintf(out, "{\"type\":\"%s\",\"id\":\"%.*s\"}", cedar_name_str(w->names, uid->type).ptr,
            (int)uid->id.len, uid->id.ptr);
}

static void put_parents(FILE *out, const struct world *w, const struct cedar_entity *e)
{
    fprintf(out, "\"parents\":[");
    for (uint32_t i = 0; i < e->n_parents; i++) {
        fputs(i > 0 ? "," : "", out);
        put_uid(out, w, &e->parents[i]);
    }
    fputs("]}", out);
}

static void put_request(FILE *out, const struct world *w, const struct sight *s)
{
    struct cedar_answer answer;
    struct built b;

    build(&b, s);
    decide_one(w, s, &answer);
    fprintf(out, "{\"decision\":\"%s\",\"principal\":",
            answer.decision == CEDAR_ALLOW ? "allow" : "deny");
    put_uid(out, w, &b.request.principal);
    fputs(",\"action\":", out);
    put_uid(out, w, &b.request.action);
    fputs(",\"resource\":", out);
    put_uid(out, w, &b.request.resource);
    if (s->action[0] == 'c')
        fputs(",\"context\":{\"port\":443}", out);
    else
        fprintf(out, ",\"context\":{\"args\":\"%s\"}", s->args);
    fputs(",\"entities\":[{\"uid\":", out);
    put_uid(out, w, &b.own.uid);
    if (b.own.n_attrs > 0)
        fprintf(out, ",\"attrs\":{\"path\":\"%s\"},", s->object);
    else
        fputs(",\"attrs\":{},", out);
    put_parents(out, w, &b.own);
    for (size_t i = 0; i < cedar_entities_count(w->entities); i++) {
        struct cedar_entity e = cedar_entities_at(w->entities, i);

        if (!cedar_uid_eq(&e.uid, &b.request.principal))
            continue;
        fputs(",{\"uid\":", out);
        put_uid(out, w, &e.uid);
        fputs(",\"attrs\":{},", out);
        put_parents(out, w, &e);
    }
    fputs("]}", out);
}

static void write_files(const struct world *w, const char *dir)
{
    struct cedar_str source = cedar_policies_source(w->policies);
    FILE *out = create(dir, "policies.cedar");

    fwrite(source.ptr, 1, source.len, out);
    fclose(out);
    out = create(dir, "requests.json");
    fputs("[", out);
    for (int i = 0; i < REQUESTS; i++) {
        fputs(i > 0 ? ",\n" : "", out);
        put_request(out, w, &w->sights[i]);
    }
    fputs("]\n", out);
    fclose(out);
}

/* ---- measuring -------------------------------------------------------------------- */

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* What two calls of the clock take: the median of many. */
static int64_t clock_cost(void)
{
    enum { TRIES = 10001 };
    static int64_t costs[TRIES];

    for (int i = 0; i < TRIES; i++) {
        int64_t start = now();

        costs[i] = now() - start;
    }
    qsort(costs, TRIES, sizeof(costs[0]), by_size);
    return costs[TRIES / 2];
}

struct tally {
    uint64_t allowed, evaluated, most;
};

static void count(struct tally *t, const struct cedar_answer *answer)
{
    t->allowed += answer->decision == CEDAR_ALLOW;
    t->evaluated += answer->n_evaluated;
    if (answer->n_evaluated > t->most)
        t->most = answer->n_evaluated;
}

static void measure(const struct world *w, unsigned n)
{
    size_t samples = (size_t)REQUESTS * ROUNDS;
    int64_t *times = malloc(samples * sizeof(*times)), cost = clock_cost(), start, whole;
    struct tally t = {0};
    struct cedar_answer answer;

    if (times == NULL)
        exit(1);
    for (size_t i = 0; i < samples; i++) {
        start = now();
        decide_one(w, &w->sights[i % REQUESTS], &answer);
        times[i] = now() - start - cost;
        count(&t, &answer);
    }
    start = now();
    for (size_t i = 0; i < samples; i++)
        decide_one(w, &w->sights[i % REQUESTS], &answer);
    whole = now() - start;
    qsort(times, samples, sizeof(*times), by_size);
    printf("{\"policies\": %u, \"decisions_per_s\": %.0f, \"p50_ns\": %" PRId64
           ", \"p99_ns\": %" PRId64 ", \"allowed\": %.3f, \"evaluated_mean\": %.1f, "
           "\"evaluated_max\": %" PRIu64 "}\n",
           n, (double)samples * 1e9 / (double)whole, times[samples / 2], times[samples * 99 / 100],
           (double)t.allowed / (double)samples, (double)t.evaluated / (double)samples, t.most);
    free(times);
}

int main(int argc, char **argv)
{
    static struct world w;
    const char *calls = getenv("BENCH_CALLS");
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

    if (argc > 3 || n < 1 || n > CEDAR_MAX_POLICIES) {
        fprintf(stderr, "usage: bench-cedar N [DIR]\n");
        return 2;
    }
    set_up(&w, (unsigned)n);
    if (argc == 3)
        write_files(&w, argv[2]);
    if (calls == NULL) {
        measure(&w, (unsigned)n);
    } else {
        struct cedar_answer answer;

        for (long i = strtol(calls, NULL, 10); i > 0; i--)
            decide_one(&w, &w.sights[i % REQUESTS], &answer);
    }
    free(w.scratch);
    cedar_entities_free(w.entities);
    cedar_program_free(w.program);
    cedar_policies_free(w.policies);
    cedar_names_free(w.names);
    return 0;
}
