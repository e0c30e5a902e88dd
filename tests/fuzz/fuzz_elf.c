/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `doctor` and `run` read of programs. The first byte of an input says whether the rest is a file of its own, or
 * patches over a real program: four bytes of offset, one of length, the bytes.
 */
#include "cli/copies.h"
#include "cli/elf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "/bin/true"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char *program;
static size_t program_size;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FILE *file = fopen(PROGRAM, "re");
	struct stat about;

	(void)argc, (void)argv;
	if (!file || fstat(fileno(file), &about) != 0)
		abort();
	program_size = (size_t)about.st_size;
	program = malloc(program_size);
	if (!program || fread(program, 1, program_size, file) != program_size)
		abort();
	fclose(file);
	return 0;
}

static void patch(unsigned char *bytes, const uint8_t *data, size_t size)
{
	while (size > 5) {
		uint32_t offset;
		size_t length = data[4] < size - 5 ? data[4] : size - 5;
		memcpy(&offset, data, sizeof(offset));
		offset %= (uint32_t)program_size;
		if (length > program_size - offset)
			length = program_size - offset;
		memcpy(bytes + offset, data + 5, length);
		data += 5 + length;
		size -= 5 + length;
	}
}

static void read_file(const char *path)
{
	struct tg_copy copies[TG_COPIES_MAX];
	struct tg_elf elf;
	uint16_t machine;
	int bits;
	int result = tg_elf_open(path, &elf);

	if (result == -EXDEV)
		tg_elf_foreign(path, &bits, &machine);
	if (result != 0)
		return;
	tg_elf_imports(&elf, "SSL_CTX_new");
	tg_elf_imports_any(&elf, "gnutls_");
	tg_elf_defines(&elf, "SSL_CTX_new");
	tg_copies_find(&elf, copies);
	tg_elf_close(&elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool patched = size > 0 && (data[0] & 1) != 0;
	size_t file_size = patched ? program_size : size > 0 ? size - 1 : 0;
	int fd = memfd_create("elf", MFD_CLOEXEC);
	char path[64];

	if (fd < 0)
		abort();
	if (file_size > 0) {
		unsigned char *bytes = malloc(file_size);
		if (!bytes)
			abort();
		memcpy(bytes, patched ? program : data + 1, file_size);
		if (patched)
			patch(bytes, data + 1, size - 1);
		if (write(fd, bytes, file_size) != (ssize_t)file_size)
			abort();
		free(bytes);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_file(path);
	close(fd);
	return 0;
}
