/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "policy/settings.h"

static struct err problem;

static bool parse(struct settings *s, const char *text)
{
    problem = (struct err){0};
    settings_default(s);
    return settings_parse(s, "belay.yaml", str_of(text), &problem);
}

TEST(defaults_hold_without_a_file)
{
    static const char *const nothing[] = {"", "# a comment\n", "---\n", "{}"};

    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        struct settings s;

        CHECK(parse(&s, nothing[i]));
        CHECK(s.ask_timeout == 300);
        CHECK(s.alert_command.n == 0);
        settings_free(&s);
    }
}

TEST(values_are_read)
{
    struct settings s;

    CHECK(parse(&s, "ask:\n  timeout: 10m\n"
                    "watch: {denials: {count: 5, window: 1m}, processes: 0}\n"
                    "limits:\n  file_size: 2G\n  files: 128\n"
                    "alert:\n  command: [notify-send, \"belay\"]\n"
                    "env:\n  pass:\n    - FAKE_KEY\n    - MY_*\n"));
    CHECK(s.ask_timeout == 600);
    CHECK(s.denials_count == 5 && s.denials_window == 60);
    CHECK(s.execs_window == 10);
    CHECK(s.watch_processes == 0);
    CHECK(s.limit_file_size == (int64_t)2 << 30);
    CHECK(s.limit_files == 128);
    CHECK(s.alert_command.n == 2);
    CHECK_STR(s.alert_command.item[0], "notify-send");
    CHECK(s.env_pass.n == 2);
    settings_free(&s);
}

TEST(prices_are_read)
{
    struct settings s;

    CHECK(parse(&s, "prices:\n  - local/* 0 0 0 0\n  - anthropic/claude-x 1 2 0.1 1.25\n"));
    CHECK(s.prices.n == 2);
    CHECK_STR(s.prices.item[0], "local/* 0 0 0 0");
    settings_free(&s);
    CHECK(!parse(&s, "prices: [claude 1 2 3 4]"));
    CHECK(strstr(problem.text, "PROVIDER/MODEL and four amounts") != NULL);
    settings_free(&s);
    CHECK(!parse(&s, "prices: [\"# nothing\"]"));
    settings_free(&s);
}

#define CRED(rest) "credentials:\n  a: {from: {env: KEY}, to: [a.example]" rest "}\n"

TEST(credentials_are_read)
{
    struct settings s;

    CHECK(parse(&s, "credentials:\n"
                    "  anthropic:\n"
                    "    from: {env: ANTHROPIC_API_KEY}\n"
                    "    to: [\"api.anthropic.com/v1/*\", \"gw.example:8443\"]\n"
                    "    header: x-api-key\n"
                    "    only: true\n"
                    "  git_hub:\n"
                    "    from: {command: [secret-tool, lookup]}\n"
                    "    to: [\"*.github.com\"]\n"
                    "    env: GITHUB_TOKEN\n"
                    "  file:\n"
                    "    from:\n      file: ~/key\n"
                    "    to: [a.example]\n"
                    "    format: \"Token %s\"\n"
                    "env: {pass: [ANTHROPIC_API_KEY, GITHUB_TOKEN, OTHER]}\n"));
    CHECK(s.ncredentials == 3);
    const struct settings_credential *a = &s.credentials[0], *b = &s.credentials[1],
                                     *c = &s.credentials[2];
    CHECK_STR(a->name, "anthropic");
    CHECK_STR(a->from_env, "ANTHROPIC_API_KEY");
    CHECK(a->to.n == 2 && a->only && !b->only);
    CHECK_STR(settings_credential_header(a), "x-api-key");
    CHECK_STR(settings_credential_format(a), "%s");
    CHECK_STR(settings_credential_env(a), "ANTHROPIC_API_KEY");
    CHECK(b->from_command.n == 2);
    CHECK_STR(settings_credential_header(b), "authorization");
    CHECK_STR(settings_credential_format(b), "Bearer %s");
    CHECK_STR(settings_credential_env(b), "GITHUB_TOKEN");
    CHECK_STR(c->from_file, "~/key");
    CHECK_STR(settings_credential_format(c), "Token %s");
    CHECK(settings_credential_env(c) == NULL);
    /* the real ones never pass, whatever is said elsewhere */
    CHECK(!settings_env_passes(&s, "ANTHROPIC_API_KEY") &&
          !settings_env_passes(&s, "GITHUB_TOKEN"));
    CHECK(settings_env_passes(&s, "OTHER"));
    settings_free(&s);
}

static const struct {
    const char *text, *place, *said;
} refused[] = {
    {CRED(", hedaer: x"), "belay.yaml:2:42: ", "did you mean credentials.a.header?"},
    {CRED(", only: yes"), "belay.yaml:2:48: ", "credentials.a.only is true or false"},
    {CRED(", header: X-Key"), "belay.yaml:2:50: ", "lower case"},
    {CRED(", header: host"), "belay.yaml:2:50: ", "header"},
    {CRED(", format: abc"), "belay.yaml:2:50: ", "%s once"},
    {CRED(", format: \"%s%s\""), "belay.yaml:2:50: ", "%s once"},
    {CRED(", format: \"%d\""), "belay.yaml:2:50: ", "%s once"},
    {CRED(", format: \"%s\\n\""), "belay.yaml:2:50: ", "%s once"},
    {CRED(", env: \"A*\""), "belay.yaml:2:47: ", "a variable is NAME"},
    {CRED(", to: [b.example]"), "belay.yaml:2:42: ", "credentials.a.to stands here twice"},
    {CRED(", from: {file: x}"), "belay.yaml:2:42: ", "credentials.a.from stands here twice"},
    {"credentials: {a: {from: {env: K, file: /x}, to: [a.example]}}",
     "belay.yaml:1:15: ", "one of env, file and command"},
    {"credentials: {a: {to: [a.example]}}", "belay.yaml:1:15: ", "one of env, file and command"},
    {"credentials: {a: {from: {env: K}}}", "belay.yaml:1:15: ", "places that it may go to"},
    {"credentials: {a: {from: {env: K}, to: [\"http://a.example\"]}}",
     "belay.yaml:1:40: ", "a place is HOST"},
    {"credentials: {a: {from: {env: K}, to: [\"*\"]}}", "belay.yaml:1:40: ", "a place is HOST"},
    {"credentials: {foreign: {from: {env: K}, to: [a.example]}}",
     "belay.yaml:1:15: ", "credential's name"},
    {"credentials: {\"a b\": {from: {env: K}, to: [a.example]}}",
     "belay.yaml:1:15: ", "credential's name"},
    {"credentials: {a: {from: {env: K}, to: [a.example]}, a: {}}", "belay.yaml:1:53: ", "twice"},
    {"credentials: {a: {from: {env: K}, to: [a.example]},\n  b: {from: {env: K}, to: [b.example]}}",
     "belay.yaml:2:3: ", "the variable K is that of a already"},
    {"credentials: 5", "belay.yaml:1:14: ", "a name for each"},
    {"credentials: {a: 5}", "belay.yaml:1:18: ", "credentials.a holds further keys"},
    {"credentials: {}\ncredentials: {}", "belay.yaml:2:1: ", "twice"},
    {"credential: {}", "belay.yaml:1:1: ", "unknown key"},
    {"ask:\n  timeot: 5\n", "belay.yaml:2:3: ", "did you mean ask.timeout?"},
    {"aks:\n  timeout: 5\n", "belay.yaml:1:1: ", "did you mean ask.timeout?"},
    {"zzzzzzzzzzz: 1\n", "belay.yaml:1:1: ", "unknown key zzzzzzzzzzz"},
    {"ask: 5\n", "belay.yaml:1:6: ", "ask holds further keys"},
    {"ask: {timeout: [1]}\n", "belay.yaml:1:16: ", "a number is expected"},
    {"ask: {timeout: soon}\n", "belay.yaml:1:16: ", "whole number"},
    {"ask: {timeout: 5x}\n", "belay.yaml:1:16: ", "s, m or h"},
    {"ask: {timeout: 0}\n", "belay.yaml:1:16: ", "between 1 and 86400"},
    {"ask: {timeout: 9999999h}\n", "belay.yaml:1:16: ", "between"},
    {"ask: {timeout: 9223372036854775807h}\n", "belay.yaml:1:16: ", "between"},
    {"ask: {timeout: 99999999999999999999}\n", "belay.yaml:1:16: ", "whole number"},
    {"ask: {timeout: 5, timeout: 6}\n", "belay.yaml:1:19: ", "twice"},
    {"ask: {timeout: 5}\nask: {}\n", "belay.yaml:2:1: ", "twice"},
    {"alert: {command: notify}\n", "belay.yaml:1:18: ", "is a list"},
    {"alert: {command: [\"\"]}\n", "belay.yaml:1:19: ", "begins with a program"},
    {"alert: {command: [[a]]}\n", "belay.yaml:1:19: ", "a string is expected"},
    {"env: {pass: [\"A B\"]}\n", "belay.yaml:1:14: ", "a variable is NAME"},
    {"env: {pass: [\"*\"]}\n", "belay.yaml:1:14: ", "a variable is NAME"},
    {"ask: &a {timeout: 5}\nwatch: *a\n", "belay.yaml:2:8: ", "aliases"},
    {"- a\n", "belay.yaml:1:1: ", "keys and values"},
    {"ask: {timeout: 5}\n---\nask: {}\n", "belay.yaml:2:1: ", "second document"},
    {"ask: {timeout: 5\n", "belay.yaml:", "error: "},
    {"ask: \"\\0\"\n", "belay.yaml:1:6: ", "further keys"},
    {"\"a\\0b\": 1\n", "belay.yaml:1:1: ", "zero byte"},
    {"\xff\xfe\xff: 1\n", "belay.yaml:", "error: "},
};

TEST(what_is_wrong_is_said_with_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct settings s;
        bool good = parse(&s, refused[i].text);

        if (good || strncmp(problem.text, refused[i].place, strlen(refused[i].place)) != 0 ||
            strstr(problem.text, refused[i].said) == NULL || problem.code != EX_POLICY) {
            printf("# %s-> %s\n", refused[i].text, good ? "is read" : problem.text);
            unit_failed = true;
        }
        settings_free(&s);
    }
}

TEST(the_environment_is_sifted)
{
    struct settings s;

    CHECK(
        parse(&s, "env: {pass: [FAKE_KEY, MY_*, NODE_OPTIONS, LD_*], block: [EDITOR, CLAUDE_*]}"));
    CHECK(settings_env_passes(&s, "PATH"));
    CHECK(settings_env_passes(&s, "LC_ALL"));
    CHECK(settings_env_passes(&s, "ANTHROPIC_API_KEY"));
    CHECK(settings_env_passes(&s, "FAKE_KEY"));
    CHECK(settings_env_passes(&s, "MY_THING"));
    CHECK(settings_env_passes(&s, "NODE_OPTIONS"));
    CHECK(!settings_env_passes(&s, "EDITOR"));
    CHECK(!settings_env_passes(&s, "CLAUDE_CONFIG_DIR"));
    CHECK(!settings_env_passes(&s, "LD_PRELOAD"));
    CHECK(!settings_env_passes(&s, "SSH_AUTH_SOCK"));
    CHECK(!settings_env_passes(&s, "AWS_SECRET_ACCESS_KEY"));
    CHECK(!settings_env_passes(&s, "GITHUB_TOKEN"));
    CHECK(!settings_env_passes(&s, "FAKE_KEY2"));
    CHECK(!settings_env_passes(&s, "PATHS"));
    settings_free(&s);
    settings_default(&s);
    CHECK(!settings_env_passes(&s, "NODE_OPTIONS"));
    settings_free(&s);
}

UNIT_MAIN(UNIT(defaults_hold_without_a_file), UNIT(values_are_read), UNIT(prices_are_read),
          UNIT(credentials_are_read), UNIT(what_is_wrong_is_said_with_its_place),
          UNIT(the_environment_is_sifted))
