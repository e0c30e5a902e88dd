#include "cli/graft.h"

#include "cli/closure.h"
#include "cli/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPTS_MAX 4 /* interpreters that are scripts themselves: the kernel follows as many (execve(2)) */

static const char *const starters[] = {"execve",  "execv",    "execvp",      "execvpe",      "execl",  "execle", "execlp",
				       "fexecve", "execveat", "posix_spawn", "posix_spawnp", "system", "popen"};

static int cannot(struct tg_graft *graft, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int cannot(struct tg_graft *graft, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(graft->why, sizeof(graft->why), format, arguments);
	va_end(arguments);
	graft->can = false;
	return 0;
}

static void note(char lines[TG_GRAFT_LINES][TG_GRAFT_LINE_SIZE], size_t *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(char lines[TG_GRAFT_LINES][TG_GRAFT_LINE_SIZE], size_t *count, const char *format, ...)
{
	va_list arguments;

	if (*count == TG_GRAFT_LINES)
		return;
	va_start(arguments, format);
	vsnprintf(lines[*count], TG_GRAFT_LINE_SIZE, format, arguments);
	va_end(arguments);
	++*count;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

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

	if ((status->st_mode & S_ISUID) != 0)
		cannot(graft, "%s: set-user-ID: the dynamic loader drops the shim from such programs without a word", path);
	else if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		cannot(graft, "%s: set-group-ID: the dynamic loader drops the shim from such programs without a word",
		       path);
	else if (getxattr(path, "security.capability", value, sizeof(value)) > 0 || errno == ERANGE)
		cannot(graft,
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

/* Objects whose own use of dlopen or exec says nothing about the program. */
static bool is_base(const char *path)
{
	const char *name = base_name(path);

	return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "ld-linux", 8) == 0 ||
	       strncmp(name, "libtlsgraft.so", 14) == 0 || strncmp(name, "libasan.so", 10) == 0 ||
	       strncmp(name, "libtsan.so", 10) == 0 || strncmp(name, "libubsan.so", 11) == 0;
}

struct abilities {
	bool opens;  /* imports dlopen */
	bool starts; /* imports an exec */
};

static void look_at_imports(const struct tg_elf *elf, struct abilities *abilities)
{
	abilities->opens = abilities->opens || tg_elf_imports(elf, "dlopen") || tg_elf_imports(elf, "dlmopen");
	for (size_t i = 0; i < sizeof(starters) / sizeof(starters[0]) && !abilities->starts; i++)
		abilities->starts = tg_elf_imports(elf, starters[i]);
}

static void look_at_object(const char *path, struct tg_graft *graft, struct abilities *abilities)
{
	static const struct {
		const char *prefix;
		const char *name;
	} others[] = {{"libgnutls.so", "GnuTLS"},   {"libssl3.so", "NSS"},   {"libmbedtls.so", "mbed TLS"},
		      {"libwolfssl.so", "wolfSSL"}, {"libtls.so", "libtls"}, {"libs2n.so", "s2n-tls"}};
	const char *name = base_name(path);
	struct tg_elf elf;

	if (strncmp(name, "libssl.so", 9) == 0)
		snprintf(graft->libssl, sizeof(graft->libssl), "%s", path);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(name, others[i].prefix, strlen(others[i].prefix)) == 0)
			note(graft->limits, &graft->limit_count,
			     "maps %s (%s): TLS that it speaks through that is not reached", others[i].name, path);
	if (is_base(path) || tg_elf_open(path, &elf) < 0)
		return;
	look_at_imports(&elf, abilities);
	tg_elf_close(&elf);
}

/* The rule of "can be grafted", for a dynamic program whose objects are known. */
static int decide(struct tg_graft *graft, const struct tg_elf *elf, const struct abilities *abilities)
{
	const bool own_copy = tg_elf_defines(elf, "SSL_CTX_new");

	if (graft->libssl[0] != '\0') {
		/* one major version has a tested binding */
		if (strcmp(base_name(graft->libssl), "libssl.so.3") != 0)
			return cannot(graft, "%s: links %s: only OpenSSL 3 (libssl.so.3) can be grafted", graft->program,
				      graft->libssl);
		note(graft->facts, &graft->fact_count, "links libssl: %s", graft->libssl);
		if (own_copy)
			note(graft->limits, &graft->limit_count,
			     "holds a copy of libssl of its own too: TLS through that is not reached");
	} else if (own_copy) {
		return cannot(graft, "%s: holds a static copy of libssl: its calls cannot be reached", graft->program);
	} else if (elf->go) {
		return cannot(graft, "%s: a Go program: it speaks TLS by itself, not through libssl", graft->program);
	} else if (abilities->opens) {
		note(graft->facts, &graft->fact_count,
		     "links no libssl and can open one at run time (imports dlopen): see `tlsgraft doctor PID` when it "
		     "runs");
	} else if (abilities->starts) {
		graft->launcher = true;
		note(graft->facts, &graft->fact_count, "links no libssl and starts other programs: a launcher");
		note(graft->limits, &graft->limit_count, "each program that it starts is judged only when it runs");
	} else {
		return cannot(graft,
			      "%s: links no libssl, cannot open one (no dlopen) and starts no other program: "
			      "there is nothing to graft",
			      graft->program);
	}
	if (elf->go)
		note(graft->limits, &graft->limit_count, "a Go program: TLS that Go itself speaks is not reached");
	graft->can = true;
	return 0;
}

static int judge_elf(const char *path, struct tg_elf *elf, struct tg_graft *graft)
{
	struct abilities abilities = {0};
	char refusal[TG_CLOSURE_REFUSAL_SIZE];
	struct tg_closure closure;
	int result;

	if (elf->interp[0] == '\0')
		return cannot(graft, "%s: %s: the dynamic loader never sees it, so nothing can be preloaded", path,
			      elf->go                   ? "a static Go program"
			      : elf->position_dependent ? "a static program"
							: "a static program, or a library");
	if (!elf->executable)
		return cannot(graft, "%s: not a program", path);
	if (!is_our_loader(elf->interp))
		return cannot(graft, "%s: is loaded by %s, another C library's loader than the shim is built for", path,
			      elf->interp);
	result = tg_closure_list(elf->interp, path, &closure, refusal);
	if (result == -ENOEXEC)
		return cannot(graft, "%s: the dynamic loader refuses it: %s", path, refusal);
	if (result < 0)
		return result;
	look_at_imports(elf, &abilities);
	for (size_t i = 0; i < closure.count; i++)
		look_at_object(closure.paths[i], graft, &abilities);
	result = decide(graft, elf, &abilities);
	tg_closure_free(&closure);
	return result;
}

static int judge(const char *path, struct tg_graft *graft, int depth)
{
	char interpreter[PATH_MAX];
	struct stat status;
	struct tg_elf elf;
	int result;

	if (stat(path, &status) < 0)
		return -errno;
	snprintf(graft->program, sizeof(graft->program), "%s", path);
	if (!S_ISREG(status.st_mode))
		return cannot(graft, "%s: not a program", path);
	if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return cannot(graft, "%s: not executable", path);
	errno = 0;
	if (is_secured(path, &status, graft))
		return 0;
	result = tg_elf_open(path, &elf);
	if (result == 0) {
		result = judge_elf(path, &elf, graft);
		tg_elf_close(&elf);
		return result;
	}
	if (result == -EXDEV)
		return cannot(graft, "%s: a program for another machine or word size than the shim's", path);
	if (result == -EBADMSG)
		return cannot(graft, "%s: a broken ELF file", path);
	if (result != -ENOEXEC)
		return result;
	result = script_interpreter(path, interpreter);
	if (result < 0 && result != -ENOEXEC)
		return result;
	if (result < 0 || depth == SCRIPTS_MAX)
		return cannot(graft, "%s: its #! line cannot be followed", path);
	/* without a #! line, execvp(3) and shells hand it to sh */
	if (result == 0)
		strcpy(interpreter, "/bin/sh");
	note(graft->facts, &graft->fact_count, "a script: judged by its interpreter %s", interpreter);
	result = judge(interpreter, graft, depth + 1);
	if (result < 0 && result != -ENOMEM)
		return cannot(graft, "%s: its interpreter %s: %s", path, interpreter, strerror(-result));
	return result;
}

int tg_graft_judge(const char *path, struct tg_graft *ret)
{
	struct tg_graft graft = {0};
	const int result = judge(path, &graft, 0);

	if (result == 0)
		*ret = graft;
	return result;
}
