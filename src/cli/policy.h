/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - the parts of `belay policy`. Each takes its own argv, as a command does. */
#ifndef BELAY_CLI_POLICY_H
#define BELAY_CLI_POLICY_H

int policy_where_command(int argc, char **argv);

#endif
