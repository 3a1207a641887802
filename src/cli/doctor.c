/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - `belay doctor`: what this host can enforce, found out by doing it. */
#include "cli/cli.h"

#include "base/mem.h"
#include "jail/doctor.h"

#include <getopt.h>
#include <string.h>

static void put_table(struct buf *out, const struct jail_probe *probes, size_t n, bool colour)
{
    for (size_t i = 0; i < n; i++) {
        const struct jail_probe *p = &probes[i];

        buf_printf(out, "%s%s%s  %-22s ", colour ? (p->ok ? "\033[32m" : "\033[31m") : "",
                   p->ok ? "yes" : "NO ", colour ? "\033[0m" : "", p->name);
        buf_add_safe(out, str_of(p->detail), 512);
        buf_puts(out, "\n");
    }
}

static void put_json(struct buf *out, const struct jail_probe *probes, size_t n, char tier)
{
    const char word[] = {tier, '\0'};
    size_t nlacks;
    const char *const *lacks = jail_tier_b_lacks(&nlacks);
    struct json j;

    json_start(&j, out);
    json_obj(&j, NULL);
    json_bool(&j, "usable", tier != 0);
    json_cstr(&j, "tier", word);
    json_arr(&j, "differs");
    for (size_t i = 0; tier == 'b' && i < nlacks; i++)
        json_cstr(&j, NULL, lacks[i]);
    json_arr_end(&j);
    json_arr(&j, "controls");
    for (size_t i = 0; i < n; i++) {
        json_obj(&j, NULL);
        json_cstr(&j, "name", probes[i].name);
        json_bool(&j, "works", probes[i].ok);
        json_bool(&j, "required", probes[i].required);
        json_cstr(&j, "detail", probes[i].detail);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    json_obj_end(&j);
    buf_puts(out, "\n");
}

static void put_verdict(struct buf *out, char tier)
{
    size_t n;
    const char *const *lacks = jail_tier_b_lacks(&n);

    if (tier == 'a')
        buf_puts(out, "\nbelay can hold an agent on this host (tier A, with namespaces).\n");
    else if (tier == 0)
        buf_puts(out, "\nbelay cannot hold an agent on this host: see the lines with NO.\n");
    else
        buf_puts(out, "\nbelay can hold an agent on this host without namespaces (tier B). "
                      "There:\n");
    for (size_t i = 0; tier == 'b' && i < n; i++)
        buf_printf(out, "  - %s\n", lacks[i]);
}

static int examine(bool as_json)
{
    static struct jail_probe probes[JAIL_PROBES_MAX];
    AUTO_BUF struct buf out = {0};
    size_t n = jail_probe(probes, JAIL_PROBES_MAX);
    char tier = jail_probe_tier(probes, n);

    buf_init(&out, 1u << 20);
    if (as_json) {
        put_json(&out, probes, n, tier);
    } else {
        put_table(&out, probes, n, cli_colour());
        put_verdict(&out, tier);
    }
    int code = cli_put(&out);
    return tier != 0 ? code : EX_HOST;
}

int cmd_doctor(int argc, char **argv)
{
    bool as_json = false;
    int code = cli_options("doctor",
                           "  --json   as JSON\n\n"
                           "Exits with 121 when a control that belay needs does not work here.\n",
                           argc, argv, &as_json);

    if (code >= 0)
        return code;
    if (optind < argc)
        return cli_usage("doctor", "takes no argument, got '%s'", argv[optind]);
    return examine(as_json);
}
