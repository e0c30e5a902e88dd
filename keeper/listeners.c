/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/listeners.h"

#include "keeper/clock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_LISTEN 0x0au /* TCP_LISTEN in the kernel's tcp_states.h */

struct numbers {
	unsigned long *items;
	size_t count;
	size_t room;
};

static int numbers_add(struct numbers *numbers, unsigned long item)
{
	if (numbers->count == numbers->room) {
		const size_t room = numbers->room == 0 ? 64 : numbers->room * 2;
		unsigned long *grown = reallocarray(numbers->items, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		numbers->items = grown;
		numbers->room = room;
	}
	numbers->items[numbers->count++] = item;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	const unsigned long left = *(const unsigned long *)a;
	const unsigned long right = *(const unsigned long *)b;

	return left < right ? -1 : left > right;
}

static bool numbers_hold(const struct numbers *sorted, unsigned long item)
{
	return sorted->count > 0 &&
	       bsearch(&item, sorted->items, sorted->count, sizeof(*sorted->items), compare_numbers) != NULL;
}

/* Adds the inodes of the sockets that `pid` holds. -EACCES where it may not be looked at; a process that ended is no fault.
 */
static int collect_sockets(pid_t pid, struct numbers *inodes, int64_t deadline)
{
	char path[64];
	const struct dirent *entry;
	int result = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (folder == NULL)
		return errno == EACCES || errno == EPERM ? -EACCES : 0;
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		char link[64];
		unsigned long inode;

		if (tg_monotonic_ms() >= deadline) {
			result = -ETIME;
			break;
		}
		const ssize_t length = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1);

		if (length < 0) {
			if (errno == EACCES || errno == EPERM)
				result = -EACCES;
			continue;
		}
		link[length] = '\0';
		if (sscanf(link, "socket:[%lu]", &inode) == 1)
			result = numbers_add(inodes, inode);
	}
	closedir(folder);
	return result;
}

bool tg_listeners_parse(const char *line, bool v6, struct tg_address *ret, unsigned long *ret_inode)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const unsigned char zero[16] = {0};
	struct tg_address address = {.family = v6 ? 6 : 4};
	char digits[33];
	unsigned int port, state;
	unsigned long inode;
	const size_t words = v6 ? 4 : 1;

	/* sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode */
	if (sscanf(line, " %*u: %32[0-9A-F]:%4x %*[0-9A-F]:%*x %2x %*x:%*x %*x:%*x %*x %*u %*u %lu", digits, &port, &state,
		   &inode) != 4 ||
	    state != STATE_LISTEN || strlen(digits) != words * 8)
		return false;
	for (size_t i = 0; i < words; i++) {
		char word[9];
		uint32_t value;

		memcpy(word, digits + i * 8, 8);
		word[8] = '\0';
		/* printed as a number of the host's byte order, while memory holds network order */
		value = (uint32_t)strtoul(word, NULL, 16);
		memcpy(address.bytes + i * 4, &value, 4);
	}
	if (v6 && memcmp(address.bytes, mapped, sizeof(mapped)) == 0) {
		memmove(address.bytes, address.bytes + 12, 4);
		memset(address.bytes + 4, 0, 12);
		address.family = 4;
	}
	address.any = memcmp(address.bytes, zero, sizeof(zero)) == 0;
	address.port = (uint16_t)port;
	*ret = address;
	*ret_inode = inode;
	return true;
}

static int add_address(struct tg_listeners *listeners, const struct tg_address *address)
{
	/* grown where the count is a power of two: to the next one */
	if ((listeners->count & (listeners->count - 1)) == 0) {
		struct tg_address *grown =
		    reallocarray(listeners->addresses, listeners->count == 0 ? 1 : listeners->count * 2, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		listeners->addresses = grown;
	}
	listeners->addresses[listeners->count++] = *address;
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tg_address));
}

/* Sorted: an attached process may listen on any number of them. */
static void drop_duplicates(struct tg_listeners *listeners)
{
	struct tg_address *addresses = listeners->addresses;
	size_t count = 0;

	if (listeners->count > 0)
		qsort(addresses, listeners->count, sizeof(*addresses), compare_addresses);
	for (size_t i = 0; i < listeners->count; i++)
		if (count == 0 || compare_addresses(&addresses[count - 1], &addresses[i]) != 0)
			addresses[count++] = addresses[i];
	listeners->count = count;
}

/* Adds the listening sockets of the network namespace of `pid` that are in `inodes`, or all of them where that is NULL. */
static int collect_addresses(pid_t pid, const struct numbers *inodes, struct tg_listeners *listeners, int64_t deadline)
{
	int result = 0;

	for (int v6 = 0; v6 <= 1 && result == 0; v6++) {
		char path[64];
		char line[512];
		FILE *table;

		snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, v6 ? "tcp6" : "tcp");
		table = fopen(path, "re");
		if (table == NULL)
			continue;
		while (result == 0 && fgets(line, sizeof(line), table) != NULL) {
			struct tg_address address;
			unsigned long inode;

			if (tg_monotonic_ms() >= deadline)
				result = -ETIME;
			else if (tg_listeners_parse(line, v6 == 1, &address, &inode) &&
				 (inodes == NULL || numbers_hold(inodes, inode)))
				result = add_address(listeners, &address);
		}
		fclose(table);
	}
	return result;
}

int tg_listeners_find(const pid_t *pids, size_t count, int64_t deadline, struct tg_listeners *ret)
{
	struct tg_listeners found = {0};
	struct numbers inodes = {0};
	struct numbers networks = {0};
	bool all = false;
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		result = collect_sockets(pids[i], &inodes, deadline);
		if (result == -EACCES) {
			all = true;
			result = 0;
		}
	}
	if (result < 0)
		goto out;
	if (inodes.count > 0)
		qsort(inodes.items, inodes.count, sizeof(*inodes.items), compare_numbers);
	for (size_t i = 0; i < count && result == 0; i++) {
		char path[64];
		struct stat network;
		bool seen = false;

		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pids[i]);
		/* where the namespace cannot be told apart, the tables are read once more: duplicates are dropped */
		if (stat(path, &network) == 0) {
			for (size_t k = 0; k < networks.count; k++)
				seen = seen || networks.items[k] == network.st_ino;
			if (!seen)
				result = numbers_add(&networks, network.st_ino);
		}
		if (!seen && result == 0)
			result = collect_addresses(pids[i], all ? NULL : &inodes, &found, deadline);
	}
	if (result < 0)
		goto out;
	found.of_others = all;
	drop_duplicates(&found);
	*ret = found;
	found = (struct tg_listeners){0};
out:
	tg_listeners_free(&found);
	free(inodes.items);
	free(networks.items);
	return result;
}

void tg_listeners_free(struct tg_listeners *listeners)
{
	free(listeners->addresses);
	*listeners = (struct tg_listeners){0};
}

/* A socket on [::] takes IPv4 too, unless IPV6_V6ONLY, which /proc does not tell. */
static bool overlap(const struct tg_address *socket, const struct tg_address *wanted)
{
	if (socket->port != wanted->port)
		return false;
	if (wanted->family == 0 || (socket->any && socket->family == 6))
		return true;
	if (socket->family != wanted->family)
		return false;
	return socket->any || wanted->any || memcmp(socket->bytes, wanted->bytes, wanted->family == 4 ? 4 : 16) == 0;
}

bool tg_listeners_touch(const struct tg_listeners *listeners, const struct tg_route *route)
{
	if (route->is_server)
		return listeners->count > 0;
	for (size_t i = 0; i < listeners->count; i++)
		for (size_t k = 0; k < route->address_count; k++)
			if (overlap(&listeners->addresses[i], &route->addresses[k]))
				return true;
	return false;
}

const char *tg_address_text(const struct tg_address *address, char text[TG_ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN];

	if (address->family == 0)
		snprintf(text, TG_ADDRESS_TEXT_SIZE, "*:%u", address->port);
	else if (inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, host, sizeof(host)) == NULL)
		strcpy(text, "-");
	else
		snprintf(text, TG_ADDRESS_TEXT_SIZE, address->family == 4 ? "%s:%u" : "[%s]:%u", host, address->port);
	return text;
}
