/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stdio.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <wchar.h>

static FILE *old[3];
static _Atomic bool any;

static ssize_t read_cookie(void *cookie, char *data, size_t size)
{
	return read((int)(intptr_t)cookie, data, size);
}

/* All of it, or it counts as an error. */
static ssize_t write_cookie(void *cookie, const char *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t r = write((int)(intptr_t)cookie, data + done, size - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static int close_cookie(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

FILE *tg_stdio_open(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {.read = read_cookie, .write = write_cookie, .close = close_cookie};
	FILE *file = fopencookie((void *)(intptr_t)fd, mode, functions);

	if (file == NULL)
		return NULL;
	file->_fileno = fd;
	any = true;
	return file;
}

int tg_stdio_print(int fd, const char *format, va_list arguments)
{
	char *text = NULL;
	int size = vasprintf(&text, format, arguments);

	if (size >= 0 && write_cookie((void *)(intptr_t)fd, text, (size_t)size) != size)
		size = -1;
	int saved = errno;
	free(text);
	errno = saved;
	return size;
}

static FILE **place_of(int fd)
{
	FILE **const places[] = {&stdin, &stdout, &stderr};

	return places[fd];
}

bool tg_stdio_enter(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO || old[fd] != NULL)
		return true;
	FILE **place = place_of(fd);
	FILE *fresh = tg_stdio_open(fd, fd == 0 ? "r" : "w");
	if (fresh == NULL)
		return false;
	/* perror(3) takes a copy of the number where nothing has been written yet. */
	if (fd == 2) {
		setvbuf(fresh, NULL, _IONBF, 0);
		fwide(fresh, -1);
	}
	old[fd] = *place;
	old[fd]->_fileno = -1;
	*place = fresh;
	return true;
}

/* The fresh one is not freed: somebody may have a pointer to it. It is closed at no time, so the number is safe. */
void tg_stdio_leave(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO || old[fd] == NULL)
		return;
	FILE **place = place_of(fd);
	(*place)->_fileno = -1;
	*place = old[fd];
	old[fd] = NULL;
	(*place)->_fileno = fd;
}

void tg_stdio_flush(void)
{
	if (any)
		fflush(NULL);
}
