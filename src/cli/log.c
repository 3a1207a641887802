/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - `belay log`: read, follow, verify, why. */
#include "cli/log.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "  belay log [SESSION]            the record of a session (default: the newest)\n"
    "  belay log sessions             the sessions that have left a record\n"
    "  belay log verify [SESSION]     is it whole? names the line that was changed, cut, added\n"
    "                                 (--json; --recover: bring back lines after a loss of power)\n"
    "  belay log why N [SESSION]      event N and the chain of what led to it\n"
    "\n"
    "  -f, --follow         go on as events come (Ctrl-C ends it)\n"
    "  -n, --last N         only the last N events that match\n"
    "      --outcome WORD   only allow, ask, deny, freeze or kill\n"
    "      --verb WORD      only this verb: exec, write, connect ...\n"
    "      --rule ID        only what this rule decided\n"
    "      --kind WORD      only this kind of line: action, answer, event, alert ...\n"
    "      --text WORD      only lines with this text\n"
    "      --json           the lines as they stand in the record\n";

static const struct option options[] = {
    {"follow", no_argument, NULL, 'f'},        {"last", required_argument, NULL, 'n'},
    {"outcome", required_argument, NULL, 'o'}, {"verb", required_argument, NULL, 'v'},
    {"rule", required_argument, NULL, 'r'},    {"kind", required_argument, NULL, 'k'},
    {"text", required_argument, NULL, 't'},    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},          {0},
};

#define FOLLOW_MS 200
#define LAST_MAX  1000000

struct show {
    struct buf out;
    bool json, colour, follow;
    uint64_t last; /* 0: all */
    uint64_t seen, skip;
    uint64_t next; /* first event not shown yet */
    int code;
};

static bool count_line(void *ctx, const struct record_line *l, struct str line)
{
    struct show *s = ctx;

    (void)l;
    (void)line;
    s->seen++;
    return true;
}

static bool show_line(void *ctx, const struct record_line *l, struct str line)
{
    struct show *s = ctx;

    s->next = l->seq + 1;
    if (s->skip > 0) {
        s->skip--;
        return true;
    }
    buf_clear(&s->out);
    if (s->json) {
        buf_add(&s->out, line.p, line.n);
        buf_puts(&s->out, "\n");
    } else {
        log_line(&s->out, l, s->colour);
    }
    s->code = cli_put(&s->out);
    return s->code == EX_OK;
}

static int show(int fd, struct record_filter *filter, struct show *s)
{
    struct err e = {0};
    uint64_t bad = 0;

    if (s->last > 0) {
        if (!record_query(fd, filter, count_line, s, &bad, &e))
            return cli_fail(&e);
        s->skip = s->seen > s->last ? s->seen - s->last : 0;
    }
    do {
        bad = 0;
        if (!record_query(fd, filter, show_line, s, &bad, &e))
            return cli_fail(&e);
        if (s->next > filter->from)
            filter->from = s->next;
        if (s->follow)
            (void)poll(NULL, 0, FOLLOW_MS);
    } while (s->follow && s->code == EX_OK);
    if (bad > 0)
        fprintf(stderr, "belay: %llu lines are no events of this record; see 'belay log verify'\n",
                (unsigned long long)bad);
    return s->code;
}

static bool parse_count(const char *text, uint64_t *n)
{
    char *end;

    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    *n = v;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && v > 0 && v <= LAST_MAX;
}

static int query(int argc, char **argv)
{
    struct record_filter filter = {0};
    struct show s = {.colour = cli_colour()};
    char name[SESSION_ID_MAX + 1];
    struct err e = {0};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "fn:h", options, NULL)) != -1;) {
        switch (c) {
        case 'f':
            s.follow = true;
            break;
        case 'n':
            if (!parse_count(optarg, &s.last))
                return cli_usage("log", "--last needs a number from 1 to %d", LAST_MAX);
            break;
        case 'o':
            filter.outcome = str_of(optarg);
            break;
        case 'v':
            filter.verb = str_of(optarg);
            break;
        case 'r':
            filter.rule = str_of(optarg);
            break;
        case 'k':
            filter.kind = str_of(optarg);
            break;
        case 't':
            filter.text = str_of(optarg);
            break;
        case 'j':
            s.json = true;
            break;
        case 'h':
            cli_help("log", help);
            return EX_OK;
        default:
            return cli_usage("log", "wrong option");
        }
    }
    if (argc - optind > 1)
        return cli_usage("log", "takes at most one session");
    AUTO_CLOSE int record = -1;
    AUTO_CLOSE int head = -1;
    if (!log_open(argv[optind], &record, &head, name, sizeof(name), &e))
        return cli_fail(&e);
    buf_init(&s.out, 2 * RECORD_LINE_MAX);
    int code = show(record, &filter, &s);
    buf_free(&s.out);
    return code;
}

/* Lines that a loss of power left only in the head come back into the record. */
static bool recover(int record, int head, struct record_report *r, struct err *e)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", record);
    AUTO_CLOSE int writable = open(path, O_RDWR | O_CLOEXEC);
    if (writable < 0)
        return err_sys(e, EX_RECORD, "the record cannot be opened for writing");
    return record_recover(writable, head, r, e) && record_verify(record, head, r, e);
}

int log_verify(int argc, char **argv)
{
    struct record_report r;
    char name[SESSION_ID_MAX + 1];
    struct err e = {0};
    AUTO_CLOSE int record = -1;
    AUTO_CLOSE int head = -1;
    AUTO_BUF struct buf out = {0};
    bool as_json = false, mend = false;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--recover") == 0)
            mend = true;
        else
            return cli_usage("log", "verify knows no option '%s'", argv[i]);
    if (argc - i > 1)
        return cli_usage("log", "verify takes at most one session");
    if (!log_open(argv[i], &record, &head, name, sizeof(name), &e) ||
        !record_verify(record, head, &r, &e) || (mend && !recover(record, head, &r, &e)))
        return cli_fail(&e);
    buf_init(&out, 65536);
    if (as_json) {
        struct json j;

        json_start(&j, &out);
        json_obj(&j, NULL);
        json_cstr(&j, "session", name);
        json_cstr(&j, "status", record_status_name(r.status));
        json_bool(&j, "intact", record_status_intact(r.status));
        json_int(&j, "lines", (int64_t)r.lines);
        json_int(&j, "line", (int64_t)r.line);
        json_int(&j, "copies", (int64_t)r.copies);
        json_cstr(&j, "finding", r.text);
        json_obj_end(&j);
        buf_puts(&out, "\n");
    } else {
        buf_printf(&out, "%s: %s: %s\n", name,
                   record_status_intact(r.status) ? "intact" : "DAMAGED", r.text);
    }
    int code = cli_put(&out);
    return record_status_intact(r.status) ? code : EX_FAIL;
}

static bool why_line(void *ctx, const struct record_line *l, struct str line)
{
    struct buf *out = ctx;

    (void)line;
    log_line(out, l, cli_colour());
    return true;
}

int log_why(int argc, char **argv)
{
    char name[SESSION_ID_MAX + 1];
    struct err e = {0};
    AUTO_CLOSE int record = -1;
    AUTO_CLOSE int head = -1;
    AUTO_BUF struct buf out = {0};
    uint64_t n;

    if (argc < 2 || argc > 3 || !parse_count(argv[1], &n))
        return cli_usage("log", "why needs the number of an event, and at most one session");
    buf_init(&out, 64u << 20);
    if (!log_open(argc == 3 ? argv[2] : NULL, &record, &head, name, sizeof(name), &e) ||
        !record_why(record, n, why_line, &out, &e))
        return cli_fail(&e);
    return cli_put(&out);
}

int cmd_log(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "verify") == 0)
        return log_verify(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "why") == 0)
        return log_why(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "sessions") == 0)
        return log_sessions(argc - 1, argv + 1);
    return query(argc, argv);
}
