/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/given.h"

#include "ipc/socket.h"

#include <dirent.h>
#include <stdlib.h>

bool tg_given_socket(void)
{
	DIR *numbers = opendir("/proc/self/fd");
	bool found = false;

	if (numbers == NULL)
		return false;
	for (const struct dirent *entry = readdir(numbers); entry != NULL && !found; entry = readdir(numbers))
		found = tg_socket_is_internet((int)strtol(entry->d_name, NULL, 10));
	closedir(numbers);
	return found;
}
