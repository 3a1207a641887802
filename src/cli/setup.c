/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup.h"

#include "base/fd.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* realpath into the arena; NULL with errno. */
static const char *canonical(struct arena *a, const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);

    return real != NULL ? arena_strndup(a, real, strlen(real)) : NULL;
}

/* /etc/passwd by hand of libc: no name services, which would load code into the keeper. */
static void find_user(struct setup *s, const char **home)
{
    FILE *f = fopen("/etc/passwd", "re");
    struct passwd *p;

    s->user = arena_printf(&s->arena, "%u", (unsigned)geteuid());
    while (f != NULL && (p = fgetpwent(f)) != NULL)
        if (p->pw_uid == geteuid()) {
            s->user = arena_strndup(&s->arena, p->pw_name, strlen(p->pw_name));
            *home = arena_strndup(&s->arena, p->pw_dir, strlen(p->pw_dir));
            break;
        }
    if (f != NULL)
        (void)fclose(f);
}

static bool find_places(struct setup *s, struct err *e)
{
    const char *home = NULL, *said = getenv("HOME");
    const char *workspace = s->workspace_option != NULL ? s->workspace_option : ".";

    find_user(s, &home);
    if (said != NULL && said[0] == '/')
        home = said;
    if (home == NULL)
        return err_set(e, EX_FAIL, "no home folder: set HOME");
    s->home = canonical(&s->arena, home);
    if (s->home == NULL)
        return err_sys(e, EX_FAIL, "%s: the home folder (HOME)", home);
    s->workspace = canonical(&s->arena, workspace);
    if (s->workspace == NULL)
        return err_sys(e, EX_FAIL, "%s: the workspace", workspace);
    s->cwd = canonical(&s->arena, ".");
    if (s->cwd == NULL)
        return err_sys(e, EX_FAIL, "the current folder");
    return true;
}

/* The workspace is what the agent may change: it must not hold the home folder or the system. */
static bool check_workspace(const struct setup *s, struct err *e)
{
    size_t n = strlen(s->workspace);
    struct stat st;

    if (stat(s->workspace, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(e, EX_USAGE_, "%s: the workspace must be a folder", s->workspace);
    if (strcmp(s->workspace, "/") == 0 ||
        (strncmp(s->home, s->workspace, n) == 0 && (s->home[n] == '/' || s->home[n] == '\0')))
        return err_set(e, EX_USAGE_,
                       "%s: as a workspace this would open all of %s to the agent; "
                       "go into a project's folder, or name one with --workspace DIR",
                       s->workspace, strcmp(s->workspace, "/") == 0 ? "the system" : s->home);
    return true;
}

static const char *config_path(struct arena *mem, const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (config != NULL && config[0] == '/')
        return arena_printf(mem, "%s/belay/%s", config, name);
    return arena_printf(mem, "%s/.config/belay/%s", home != NULL ? home : "", name);
}

const char *setup_default_policy(struct arena *mem)
{
    const char *own = config_path(mem, "policy.cedar");

    return access(own, F_OK) == 0 || errno != ENOENT ? own : "coding";
}

static bool load_settings(struct setup *s, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    const char *path = s->config != NULL ? s->config : config_path(&s->arena, "belay.yaml");

    settings_default(&s->settings);
    if (s->config == NULL && access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    buf_init(&text, SETTINGS_TEXT_MAX);
    if (!fd_read_file(path, &text, e)) {
        e->code = EX_POLICY;
        return err_wrap(e, "settings");
    }
    s->config_file = canonical(&s->arena, path);
    return settings_parse(&s->settings, path, buf_str(&text), e);
}

/* A preset's name, or a file; a name with '/' or '.' is a file. */
static bool load_text(struct setup *s, const char *name, struct policy_text *text, struct err *e)
{
    struct str preset = policy_preset(name);
    AUTO_BUF struct buf bytes = {0};

    text->name = name;
    if (preset.p != NULL && strpbrk(name, "/.") == NULL) {
        text->bytes = preset;
        return true;
    }
    buf_init(&bytes, POLICY_TEXT_MAX);
    if (!fd_read_file(name, &bytes, e)) {
        e->code = EX_POLICY;
        if (e->sys == ENOENT && strpbrk(name, "/.") == NULL)
            return err_set(e, EX_POLICY,
                           "policy '%s': neither a preset (coding, readonly, offline, egress) nor a file",
                           name);
        return err_wrap(e, "policy");
    }
    text->bytes =
        (struct str){arena_strndup(&s->arena, bytes.p != NULL ? bytes.p : "", bytes.n), bytes.n};
    s->policy_files[s->npolicy_files++] = canonical(&s->arena, name);
    return true;
}

static bool load_policy(struct setup *s, struct err *e)
{
    struct policy_text texts[POLICY_TEXTS_MAX];

    if (s->npolicies == 0)
        s->policies[s->npolicies++] = setup_default_policy(&s->arena);
    for (size_t i = 0; i < s->npolicies; i++)
        if (!load_text(s, s->policies[i], &texts[i], e))
            return false;
    s->policy = policy_load(texts, s->npolicies, s->home, e);
    return s->policy != NULL;
}

static struct str agent_name(struct setup *s)
{
    const char *name = s->command != NULL ? s->command : "agent";
    const char *slash = strrchr(name, '/');

    return str_of(arena_printf(&s->arena, "%s", slash != NULL ? slash + 1 : name));
}

bool setup_load(struct setup *s, struct err *e)
{
    if (!find_places(s, e) || !load_settings(s, e) || !load_policy(s, e))
        return false;
    s->session = (struct session){.agent = agent_name(s),
                                  .user = str_of(s->user),
                                  .home = str_of(s->home),
                                  .workspace = str_of(s->workspace)};
    return true;
}

/* The mount that shows `path`; those of the session's own (fresh) show nothing of the host. */
static const struct plan_mount *shown_by(const struct plan *plan, const char *path)
{
    const struct plan_mount *best = NULL;

    for (size_t i = 0; i < plan->nmounts; i++) {
        const struct plan_mount *m = &plan->mounts[i];
        size_t n = strlen(m->path);

        if (strncmp(path, m->path, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 1) &&
            (best == NULL || n > strlen(best->path)))
            best = m;
    }
    return best;
}

/* The file itself, or the folder in which it could be replaced. */
static bool agent_may_write(const struct setup *s, const char *path)
{
    AUTO_FREE char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');

    if (slash != NULL && slash != folder)
        *slash = '\0';
    const struct plan_mount *file = shown_by(&s->plan, path), *around = shown_by(&s->plan, folder);
    return (file != NULL && !file->fresh && file->access == PLAN_WRITE) ||
           (around != NULL && !around->fresh && around->access == PLAN_WRITE);
}

bool setup_agent_can_read(const struct setup *s, const char *path)
{
    const struct plan_mount *m = shown_by(&s->plan, path);

    return m != NULL && !m->fresh && m->access != PLAN_HIDE;
}

static bool check_own_files(const struct setup *s, struct err *e)
{
    for (size_t i = 0; i <= s->npolicy_files; i++) {
        const char *path = i < s->npolicy_files ? s->policy_files[i] : s->config_file;

        if (path != NULL && agent_may_write(s, path))
            return err_set(e, EX_POLICY,
                           "%s: lies where the agent can write, so it could change its own rules; "
                           "move it, for example to %s/.config/belay/",
                           path, s->home);
    }
    return true;
}

/* A command cannot start in a folder that it may not see. */
static bool check_folder(const struct setup *s, struct err *e)
{
    const struct plan_mount *m = shown_by(&s->plan, s->cwd);
    bool permits = false;

    if (s->command == NULL || strcmp(s->cwd, "/") == 0 ||
        (m != NULL && m->access != PLAN_HIDE && (!m->fresh || strcmp(m->path, s->cwd) == 0)))
        return true;
    for (size_t i = 0; i < policy_rules(s->policy); i++)
        permits = permits || !policy_rule(s->policy, i).forbid;
    if (!permits)
        return err_set(
            e, EX_POLICY,
            "the policy only forbids, so the agent could do nothing at all; name one that "
            "permits beside it: --policy coding --policy %s",
            s->policies[0]);
    return err_set(e, EX_POLICY,
                   "no rule lets the agent read %s, where it would start; permit it, or start from "
                   "another folder",
                   s->cwd);
}

bool setup_probe(const struct setup *s, struct plan_host *host, struct arena *mem, struct err *e)
{
    if (!plan_host_probe(host, mem, e))
        return false;
    host->may_go_unheld = s->settings.minimum_unenforced.item;
    host->nmay_go_unheld = s->settings.minimum_unenforced.n;
    return true;
}

bool setup_plan(struct setup *s, struct err *e)
{
    struct plan_host host;

    if (!check_workspace(s, e) || !policy_resolve(s->policy, &s->session, e) ||
        !setup_probe(s, &host, &s->arena, e) ||
        !policy_plan(s->policy, &s->session, &host, &s->plan, e))
        return false;
    s->planned = true;
    return check_own_files(s, e) && check_folder(s, e);
}

void setup_release(struct setup *s)
{
    if (s->planned)
        plan_release(&s->plan);
    policy_free(s->policy);
    settings_free(&s->settings);
    arena_release(&s->arena);
}
