/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - `belay run`: everything up to the moment that the keeper takes over. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/credentials.h"
#include "cli/setup.h"
#include "cli/staged.h"

#include "base/fd.h"
#include "keeper/control.h"
#include "keeper/keeper.h"
#include "keeper/refusals.h"
#include "keeper/roles.h"
#include "stage/stage.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "  -p, --policy NAME|FILE   a preset (coding, readonly, offline, egress) or a Cedar\n"
    "                           file; may be repeated, all of them hold together\n"
    "                           (default: ~/.config/belay/policy.cedar, else coding)\n"
    "  -w, --workspace DIR      what the agent works on (default: the current folder)\n"
    "  -c, --config FILE        settings (default: ~/.config/belay/belay.yaml)\n"
    "  -e, --env NAME[=VALUE]   pass this environment variable too; may be repeated\n"
    "  -s, --stage              the agent works on an overlay of the workspace; 'belay diff'\n"
    "                           shows what it changed, 'belay keep' takes it over\n"
    "      --publish [PORT:]PORT  let this host reach a server of the agent's: on its loopback, "
    "at\n"
    "                           the same port or at the one before the colon; may be repeated\n"
    "      --tier a|b           only with namespaces (a), or without (b); by itself belay takes b\n"
    "                           where the host lets it make no namespaces, and says so\n"
    "  -q, --quiet              no notices of belay's own, only errors\n"
    "\n"
    "The exit code is the agent's own, 128 + N when signal N ended it, or one of:\n";

enum { OPTION_PUBLISH = 256, OPTION_TIER };

static const struct option options[] = {
    {"policy", required_argument, NULL, 'p'},
    {"workspace", required_argument, NULL, 'w'},
    {"config", required_argument, NULL, 'c'},
    {"env", required_argument, NULL, 'e'},
    {"stage", no_argument, NULL, 's'},
    {"publish", required_argument, NULL, OPTION_PUBLISH},
    {"tier", required_argument, NULL, OPTION_TIER},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

#define ENV_EXTRA_MAX 256

struct run {
    struct setup setup;
    const char *env_extra[ENV_EXTRA_MAX];
    size_t nenv_extra;
    bool stage, quiet;
    enum tier_choice tier;
    struct published published[PUBLISHED_MAX];
    size_t npublished;
    char id[SESSION_ID_MAX + 1];
    struct buf folder;   /* of the record */
    struct vault *vault; /* values of credentials until the gate has them; NULL: there are none */
};

static void show_help(void)
{
    cli_help("run", help);
#define X(name, code, meaning) \
    if ((code) >= 120)         \
        printf("  %d  %s\n", (code), (meaning));
    EXIT_CODES(X)
#undef X
}

/* Six letters and digits that are not mistaken for one another: 30 bits, unique among a user's. */
static bool new_id(char id[SESSION_ID_MAX + 1], struct err *e)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789x";
    unsigned char r[6];

    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        return err_sys(e, EX_FAIL, "random numbers");
    for (size_t i = 0; i < sizeof(r); i++)
        id[i] = letters[r[i] % 32];
    id[sizeof(r)] = '\0';
    return true;
}

/* Makes the folder and those above it, 0700. */
static bool make_folders(const char *path, struct err *e)
{
    AUTO_FREE char *p = xstrdup(path);

    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != '\0')
            continue;
        char was = *s;

        *s = '\0';
        if (mkdir(p, 0700) != 0 && errno != EEXIST)
            return err_sys(
                e, EX_RECORD,
                "%s: cannot be made, and without it there is no record; mend its mode or "
                "set XDG_STATE_HOME to a folder that can be written",
                p);
        *s = was;
        if (was == '\0')
            return true;
    }
}

static bool record_folder(struct run *r, struct err *e)
{
    buf_init(&r->folder, 4096);
    if (!cli_state_folder(&r->folder, e) || !new_id(r->id, e))
        return false;
    buf_printf(&r->folder, "/%s", r->id);
    return make_folders(buf_cstr(&r->folder), e);
}

static bool name_is(const char *entry, const char *name, size_t n)
{
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool said_extra(const struct run *r, const char *name, size_t n)
{
    for (size_t i = 0; i < r->nenv_extra; i++)
        if (strcspn(r->env_extra[i], "=") == n && strncmp(r->env_extra[i], name, n) == 0)
            return true;
    return false;
}

/* What a variable that passes would give away, and said so. */
static bool holds_credential(const struct run *r, const char *entry)
{
    const char *name = vault_holds_value(r->vault, str_of(entry));

    if (name != NULL)
        fprintf(stderr, "belay: the variable %.*s does not pass: it holds credential %s\n",
                (int)strcspn(entry, "="), entry, name);
    return name != NULL;
}

/* The agent's environment: what the settings pass on, --env, placeholders, and BELAY_SESSION. */
static char **make_environment(struct run *r)
{
    struct arena *a = &r->setup.arena;
    size_t n = 0, size = r->nenv_extra + r->setup.settings.ncredentials + 5;
    char **env;

    for (char **v = environ; *v != NULL; v++)
        size++;
    env = arena_alloc(a, size * sizeof(*env));
    for (char **v = environ; *v != NULL; v++) {
        size_t len = strcspn(*v, "=");
        const char *name = arena_strndup(a, *v, len);

        if (!name_is(*v, "BELAY_SESSION", 13) && !said_extra(r, *v, len) &&
            settings_env_passes(&r->setup.settings, name) && !holds_credential(r, *v))
            env[n++] = *v;
    }
    for (size_t i = 0; i < r->nenv_extra; i++) {
        const char *extra = r->env_extra[i], *value = getenv(extra);

        if (strchr(extra, '=') != NULL)
            env[n++] = arena_strndup(a, extra, strlen(extra));
        else if (value != NULL)
            env[n++] = arena_printf(a, "%s=%s", extra, value);
        if (n > 0 && holds_credential(r, env[n - 1]))
            n--;
    }
    for (size_t i = 0; r->vault != NULL && i < r->vault->n; i++)
        if ((env[n] = credentials_variable(&r->setup, r->vault, i, a)) != NULL)
            n++;
    env[n++] = arena_printf(a, "BELAY_SESSION=%s", r->id);
    env[n++] = arena_printf(a, "BELAY_REFUSALS=%s", REFUSALS_PATH);
    return env;
}

/* Inside a jail there is no second one: its namespaces and filters forbid what it would need. */
static bool check_not_inside(struct err *e)
{
    const char *outer = getenv("BELAY_SESSION");

    if (outer == NULL || outer[0] == '\0')
        return true;
    return err_set(
        e, EX_HOST,
        "already on a rope (BELAY_SESSION=%.16s): belay cannot run inside belay; run the "
        "command without it, what it does is judged all the same",
        outer);
}

/* Reads the credentials and seals them for the gate. The command line is in the record, and
 * every process of the jail can read it. */
static bool take_credentials(struct run *r, char *const *argv, int *sealed, struct err *e)
{
    r->vault = credentials_read(&r->setup, e);
    if (r->vault == NULL)
        return e->code == 0;
    for (size_t i = 0; argv[i] != NULL; i++) {
        const char *name = vault_holds_value(r->vault, str_of(argv[i]));

        if (name != NULL)
            return err_set(e, EX_POLICY, "argument %zu of the command holds credential %s", i,
                           name);
    }
    *sealed = vault_seal(r->vault, e);
    return *sealed >= 0;
}

/* Where the settings insist on namespaces, belay does not go on without them by itself. */
static bool choose_tier(struct run *r, struct err *e)
{
    if (r->setup.settings.minimum_namespaces == 0)
        return true;
    if (r->tier == TIER_ONLY_B)
        return err_set(e, EX_HOST,
                       "--tier b does without namespaces, and minimum.namespaces in "
                       "belay.yaml asks for them");
    r->tier = TIER_ONLY_A;
    return true;
}

static int run_session(struct run *r, char **argv, struct err *e)
{
    struct setup *s = &r->setup;
    AUTO_BUF struct buf runtime = {0}, state = {0};
    AUTO_FREE char *stage = NULL;
    AUTO_CLOSE int sealed = -1;
    const char *hidden[4] = {0};
    struct farewell farewell;
    struct roles roles;

    buf_init(&runtime, 4096);
    buf_init(&state, 4096);
    /* The roles start up while the policy is read. */
    if (!check_not_inside(e) || !roles_start(&roles, e))
        return e->code;
    if (!setup_load(s, e) || !choose_tier(r, e) || !setup_plan(s, e) ||
        !take_credentials(r, argv, &sealed, e) || !record_folder(r, e) ||
        !control_folder(&runtime, true, e) || !cli_state_folder(&state, e) ||
        (r->stage && (!stage_create(buf_cstr(&r->folder), s->workspace, &stage, e) ||
                      !farewell_start(&farewell, r->id, buf_cstr(&r->folder), e)))) {
        roles_end(&roles);
        return e->code;
    }
    hidden[0] = buf_cstr(&runtime);
    hidden[1] = buf_cstr(&state);
    struct keeper_options o = {
        .id = r->id,
        .folder = buf_cstr(&r->folder),
        .workspace = s->workspace,
        .home = s->home,
        .cwd = s->cwd,
        .user = s->user,
        .agent = s->session.agent.p,
        .argv = argv,
        .envp = make_environment(r),
        .credentials = &sealed,
        .policy = s->policy,
        .plan = &s->plan,
        .settings = &s->settings,
        .hidden = hidden,
        .published = r->published,
        .npublished = r->npublished,
        .roles = &roles,
        .stage = stage,
        .tier = r->tier,
        .quiet = r->quiet,
    };
    vault_free(r->vault); /* the placeholders stand in the environment, the values in `sealed` */
    r->vault = NULL;
    int code = keeper_run(&o, e);
    if (r->stage)
        farewell_end(&farewell, r->quiet || e->code != 0);
    return code;
}

static bool parse_tier(const char *word, enum tier_choice *tier)
{
    *tier = strcmp(word, "b") == 0 ? TIER_ONLY_B : TIER_ONLY_A;
    return strcmp(word, "a") == 0 || strcmp(word, "b") == 0;
}

static int parse(struct run *r, int argc, char **argv)
{
    struct setup *s = &r->setup;

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "+p:w:c:e:sqh", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            if (s->npolicies == POLICY_TEXTS_MAX)
                return cli_usage("run", "more than %d policies", POLICY_TEXTS_MAX);
            s->policies[s->npolicies++] = optarg;
            break;
        case 'w':
            s->workspace_option = optarg;
            break;
        case 'c':
            s->config = optarg;
            break;
        case 'e':
            if (r->nenv_extra == ENV_EXTRA_MAX || optarg[0] == '=' || optarg[0] == '\0')
                return cli_usage("run", "--env needs NAME or NAME=VALUE");
            r->env_extra[r->nenv_extra++] = optarg;
            break;
        case 's':
            r->stage = true;
            break;
        case OPTION_PUBLISH:
            if (r->npublished == PUBLISHED_MAX)
                return cli_usage("run", "more than %d ports to publish", PUBLISHED_MAX);
            if (!published_parse(optarg, &r->published[r->npublished++]))
                return cli_usage("run", "--publish needs PORT or PORT:PORT, from 1 to 65535");
            break;
        case OPTION_TIER:
            if (!parse_tier(optarg, &r->tier))
                return cli_usage("run", "--tier needs a or b");
            break;
        case 'q':
            r->quiet = true;
            break;
        case 'h':
            show_help();
            return EX_OK;
        default:
            return cli_usage("run", "wrong option");
        }
    }
    if (optind >= argc)
        return cli_usage("run", "a command is missing, as in 'belay run -- claude'");
    s->command = argv[optind];
    return -1;
}

int cmd_run(int argc, char **argv)
{
    struct run r = {0};
    struct err e = {0};
    int code = parse(&r, argc, argv);

    if (code < 0) {
        code = run_session(&r, argv + optind, &e);
        if (e.code != 0)
            (void)cli_fail(&e);
        vault_free(r.vault);
        setup_release(&r.setup);
        buf_free(&r.folder);
    }
    return code;
}
