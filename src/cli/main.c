/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - one binary: the commands of a person, and the roles that the keeper re-executes.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "judge/judge.h"
#include "kern/kern.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments, *summary;
} commands[] = {
#define COMMAND(name, function, arguments, summary) {name, function, arguments, summary},
#include "cli/command.def"
#undef COMMAND
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int cli_fail(const struct err *e)
{
    fprintf(stderr, "belay: %s\n", e->text);
    return e->code != 0 ? e->code : EX_FAIL;
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "belay %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry 'belay help %s'.\n", command);
    return EX_USAGE_;
}

void cli_help(const char *command, const char *options)
{
    const struct command *c = find_command(command);

    printf("belay %s %s\n\n  %s\n", command, c != NULL ? c->arguments : "",
           c != NULL ? c->summary : "");
    if (options != NULL && options[0] != '\0')
        printf("\n%s", options);
}

int cli_options(const char *command, const char *help, int argc, char **argv, bool *as_json)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {0}};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') {
            cli_help(command, help);
            return EX_OK;
        }
        if (c != 'j' || as_json == NULL)
            return cli_usage(command, "wrong option");
        *as_json = true;
    }
    return -1;
}

bool cli_colour(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return (no == NULL || no[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0) &&
           isatty(STDOUT_FILENO);
}

int cli_put(const struct buf *out)
{
    if (fwrite(out->p != NULL ? out->p : "", 1, out->n, stdout) != out->n || fflush(stdout) != 0) {
        if (errno != EPIPE)
            fprintf(stderr, "belay: standard output: %s\n", strerrordesc_np(errno));
        return EX_FAIL;
    }
    return EX_OK;
}

bool cli_state_folder(struct buf *path, struct err *e)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    buf_clear(path);
    if (state != NULL && state[0] == '/')
        buf_printf(path, "%s/belay/sessions", state);
    else if (home != NULL && home[0] == '/')
        buf_printf(path, "%s/.local/state/belay/sessions", home);
    else
        return err_set(e, EX_RECORD, "no place for the record: set HOME or XDG_STATE_HOME");
    return true;
}

static void overview(FILE *out)
{
    fprintf(out, "belay - run an agent on a rope\n\n"
                 "  belay run -- COMMAND      run it under the preset policy\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n'belay help COMMAND' tells more; so does belay(1).\n");
}

int cmd_help(int argc, char **argv)
{
    char *help[] = {argc > 1 ? argv[1] : NULL, (char[]){"--help"}, NULL};
    const struct command *c = argc > 1 ? find_command(argv[1]) : NULL;

    if (argc > 1 && c == NULL)
        return cli_usage("help", "no command is called '%s'", argv[1]);
    if (c == NULL || c->run == cmd_help) {
        overview(stdout);
        return EX_OK;
    }
    return c->run(2, help);
}

static int run_role(const char *role)
{
    if (strcmp(role, "judge") == 0)
        return judge_main();
    if (strcmp(role, "kern") == 0)
        return kern_main();
    return EX_USAGE_;
}

/* A closed 0, 1 or 2 would be filled by the next file opened, and written to as if it were it. */
static void fill_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2)
        (void)close(fd);
}

int main(int argc, char **argv)
{
    mem_init();
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strncmp(argv[1], "--role=", 7) == 0)
        return run_role(argv[1] + 7);
    fill_standard_fds();
    if (argc < 2) {
        overview(stderr);
        return EX_USAGE_;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0) {
        printf("belay %s\n", BELAY_VERSION);
        return EX_OK;
    }
    const struct command *c = find_command(argv[1]);
    if (c == NULL) {
        fprintf(stderr, "belay: no command is called '%s'; 'belay help' lists them%s\n", argv[1],
                argv[1][0] == '-' ? "" : ", and 'belay run -- COMMAND' runs one");
        return EX_USAGE_;
    }
    return c->run(argc - 1, argv + 1);
}
