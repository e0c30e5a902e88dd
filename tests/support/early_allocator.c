/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that reads a file before it gives anything, as jemalloc reads its configuration, and that ends the process
 * where somebody asks it for memory meanwhile: it would wait for itself.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

static bool begun, ready;

static void begin(void)
{
	static const char words[] = "asked for memory before it was ready\n";
	char data[16];
	int fd;

	if (ready)
		return;
	if (begun) {
		(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
		_exit(99);
	}
	begun = true;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)!read(fd, data, sizeof(data));
	close(fd);
	ready = true;
}

void *malloc(size_t size)
{
	begin();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	begin();
	return __libc_calloc(count, size);
}
