/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that takes the policy of a tree by hand: tg_attach TREE [wait]. Prints "0 GENERATION", or the negative errno of
 * the greeting; `wait`: then maps both memories until stdin ends.
 */
#include "ipc/channel.h"
#include "ipc/read.h"
#include "ipc/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const struct tg_policy_header *header = NULL;
	struct tg_report_page *report = NULL;
	int policy_fd = -1;
	int report_fd = -1;
	size_t size;
	char byte;
	int result;

	if (argc < 2)
		return 64;
	result = tg_channel_hello(argv[1], 10000, &policy_fd, &report_fd);
	if (result == 0)
		result = tg_policy_map(policy_fd, &header, &size);
	if (result == 0)
		result = tg_report_map(report_fd, true, &report);
	if (result < 0 || header == NULL || report == NULL) {
		printf("%d\n", result);
		return 1;
	}
	tg_report_process(report, (uint32_t)getpid(), tg_policy_generation(header));
	printf("0 %" PRIu64 "\n", tg_policy_generation(header));
	fflush(stdout);
	while (argc > 2 && strcmp(argv[2], "wait") == 0 && read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	return 0;
}
