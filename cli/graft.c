/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/graft.h"

#include "cli/closure.h"
#include "cli/copies.h"
#include "cli/elf_file.h"
#include "cli/mapped.h"
#include "cli/objects.h"
#include "cli/sanitizers.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPTS_MAX 4 /* interpreters that are scripts themselves: the kernel follows as many (execve(2)) */

/* The interpreter of a "#!" file in `ret`: 1, 0 where it is none, or a negative errno. */
static int script_interpreter(const char *path, char ret[PATH_MAX])
{
	char line[PATH_MAX + 2];
	size_t begin, length;
	ssize_t size;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	size = pread(fd, line, sizeof(line) - 1, 0);
	close(fd);
	if (size < 0)
		return -errno;
	line[size] = '\0';
	if (size < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	begin = 2 + strspn(line + 2, " \t");
	length = strcspn(line + begin, " \t\n");
	if (length == 0 || length >= PATH_MAX)
		return -ENOEXEC;
	memcpy(ret, line + begin, length);
	ret[length] = '\0';
	return 1;
}

/* What makes the dynamic loader drop preloads without a word (ld.so(8), AT_SECURE). True where it was found. */
static bool is_secured(const char *path, const struct stat *status, struct tg_graft *graft)
{
	char value[64];

	errno = 0;
	if ((status->st_mode & S_ISUID) != 0)
		tg_graft_cannot(
		    graft, "%s: set-user-ID: the dynamic loader drops the shim from such programs without a word", path);
	else if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		tg_graft_cannot(
		    graft, "%s: set-group-ID: the dynamic loader drops the shim from such programs without a word", path);
	else if (getxattr(path, "security.capability", value, sizeof(value)) > 0 || errno == ERANGE)
		tg_graft_cannot(
		    graft,
		    "%s: has file capabilities: the dynamic loader drops the shim from such programs without a word "
		    "(ambient capabilities are fine, see setpriv(1))",
		    path);
	else
		return false;
	return true;
}

/* True where `interp` is the file that loads this program too: another C library's loader cannot load the shim. */
static bool is_our_loader(const char *interp)
{
	struct tg_elf self;
	struct stat ours, theirs;
	bool same;

	if (tg_elf_open("/proc/self/exe", &self) < 0)
		return false;
	same = stat(self.interp, &ours) == 0 && stat(interp, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
	tg_elf_close(&self);
	return same;
}

/* A program that the dynamic loader never sees; what TLS it holds is said all the same. */
static int judge_static(const char *path, const struct tg_elf *elf, struct tg_graft *graft)
{
	struct tg_copy copies[TG_COPIES_MAX];
	const size_t count = elf->go ? 0 : tg_copies_find(elf, copies);

	for (size_t i = 0; i < count; i++)
		tg_findings_add(&graft->findings, TG_FACT, "copy", "holds %s%s%s", copies[i].name,
				copies[i].version[0] ? " " : "", copies[i].version);
	return tg_graft_cannot(graft, "%s: %s: the dynamic loader never sees it, so nothing can be preloaded", path,
			       elf->go                   ? "a static Go program"
			       : elf->position_dependent ? "a static program"
							 : "a static program, or a library");
}

static int judge_elf(const char *path, const struct tg_elf *elf, struct tg_graft *graft)
{
	struct tg_objects objects = {0};
	char refusal[TG_CLOSURE_REFUSAL_SIZE];
	char real[PATH_MAX];
	struct tg_closure closure;
	const char *against;
	int result;

	if (elf->interp[0] == '\0')
		return judge_static(path, elf, graft);
	if (!elf->executable)
		return tg_graft_cannot(graft, "%s: not a program", path);
	if (!is_our_loader(elf->interp))
		return tg_graft_cannot(graft, "%s: is loaded by %s, another C library's loader than the shim is built for",
				       path, elf->interp);
	/* $ORIGIN is the folder of the file itself, not of a link to it */
	result = tg_closure_list(elf->interp, realpath(path, real) == NULL ? path : real, &closure, refusal);
	if (result == -ENOEXEC)
		return tg_graft_cannot(graft, "%s: the dynamic loader refuses it: %s", path, refusal);
	if (result < 0)
		return result;
	for (size_t i = 0; i < closure.count; i++)
		tg_objects_library(&objects, graft, closure.paths[i], closure.paths[i]);
	tg_objects_decide(&objects, graft, elf);
	against = tg_sanitizers_against(&closure, graft->plaintext);
	tg_closure_free(&closure);
	return against == NULL ? 0 : tg_graft_cannot(graft, "%s: %s", path, against);
}

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_386:
		return "Intel 80386";
	case EM_X86_64:
		return "x86-64";
	case EM_ARM:
		return "ARM";
	case EM_AARCH64:
		return "AArch64";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "PowerPC 64";
	case EM_S390:
		return "S/390";
	default:
		return "another machine";
	}
}

static int judge_foreign(const char *path, struct tg_graft *graft)
{
	uint16_t machine;
	int bits;
	const int result = tg_elf_foreign(path, &bits, &machine);

	if (result < 0)
		return result;
	return tg_graft_cannot(graft, "%s: a %d-bit program for %s: the shim is for another machine or word size", path,
			       bits, machine_name(machine));
}

static int judge_program(const char *path, struct tg_graft *graft, int depth)
{
	char interpreter[PATH_MAX];
	struct stat status;
	struct tg_elf elf;
	int result;

	if (stat(path, &status) < 0)
		return -errno;
	snprintf(graft->program, sizeof(graft->program), "%s", path);
	if (!S_ISREG(status.st_mode))
		return tg_graft_cannot(graft, "%s: not a program", path);
	if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return tg_graft_cannot(graft, "%s: not executable", path);
	result = tg_elf_open(path, &elf);
	/* the rights of a script's own file mean nothing: the kernel honours those of its interpreter alone */
	if (result != -ENOEXEC && is_secured(path, &status, graft)) {
		if (result == 0)
			tg_elf_close(&elf);
		return 0;
	}
	if (result == 0) {
		result = judge_elf(path, &elf, graft);
		tg_elf_close(&elf);
		return result;
	}
	if (result == -EXDEV)
		return judge_foreign(path, graft);
	if (result == -EBADMSG)
		return tg_graft_cannot(graft, "%s: a broken ELF file", path);
	if (result != -ENOEXEC)
		return result;
	result = script_interpreter(path, interpreter);
	if (result < 0 && result != -ENOEXEC)
		return result;
	if (result < 0 || depth == SCRIPTS_MAX)
		return tg_graft_cannot(graft, "%s: its #! line cannot be followed", path);
	/* without a #! line, execvp(3) and shells hand it to sh */
	if (result == 0)
		strcpy(interpreter, "/bin/sh");
	tg_findings_add(&graft->findings, TG_FACT, "script", "a script: judged by its interpreter %s", interpreter);
	result = judge_program(interpreter, graft, depth + 1);
	if (result < 0 && result != -ENOMEM)
		return tg_graft_cannot(graft, "%s: its interpreter %s: %s", path, interpreter, strerror(-result));
	return result;
}

int tg_graft_judge(const char *path, enum tg_graft_plaintext plaintext, struct tg_graft *ret)
{
	struct tg_graft graft = {.plaintext = plaintext};
	const int result = judge_program(path, &graft, 0);

	if (result < 0)
		tg_graft_clear(&graft);
	else
		*ret = graft;
	return result;
}

/* Libraries as the process sees them, in its own mount namespace. */
static int judge_maps(pid_t pid, const struct tg_mapped *mapped, struct tg_graft *graft)
{
	struct tg_objects objects = {0};
	char exe[64];
	struct stat program;
	struct tg_elf elf;
	int result;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
	if (stat(exe, &program) < 0)
		return -errno;
	result = tg_elf_open(exe, &elf);
	if (result == -EXDEV) {
		/* as `judge` says it, under the name that people know */
		return tg_graft_cannot(graft, "%s: for another machine or word size than the shim's", graft->program);
	}
	if (result < 0)
		return result;
	if (elf.interp[0] == '\0') {
		judge_static(graft->program, &elf, graft);
	} else {
		for (size_t i = 0; i < mapped->count; i++) {
			char file[PATH_MAX];

			if (!mapped->files[i].code || mapped->files[i].inode == program.st_ino ||
			    snprintf(file, sizeof(file), "/proc/%d/root%s", (int)pid, mapped->files[i].path) >=
				(int)sizeof(file))
				continue;
			tg_objects_library(&objects, graft, mapped->files[i].path, file);
		}
		tg_objects_decide(&objects, graft, &elf);
	}
	tg_elf_close(&elf);
	return 0;
}

int tg_graft_judge_process(pid_t pid, enum tg_graft_plaintext plaintext, struct tg_graft *ret)
{
	struct tg_graft graft = {.plaintext = plaintext};
	struct tg_mapped mapped;
	char link[64];
	ssize_t length;
	int result = tg_mapped_read(pid, &mapped);

	if (result < 0)
		return result;
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	length = readlink(link, graft.program, sizeof(graft.program) - 1);
	result = length < 0 ? -errno : judge_maps(pid, &mapped, &graft);
	tg_mapped_free(&mapped);
	if (result < 0)
		tg_graft_clear(&graft);
	else
		*ret = graft;
	return result;
}

void tg_graft_clear(struct tg_graft *graft)
{
	tg_findings_free(&graft->findings);
}
