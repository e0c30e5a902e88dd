/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/objects.h"

#include "cli/copies.h"
#include "cli/modules.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const starters[] = {"execve",  "execv",    "execvp",      "execvpe",      "execl",  "execle", "execlp",
				       "fexecve", "execveat", "posix_spawn", "posix_spawnp", "system", "popen"};

static const struct {
	const char *prefix; /* of the library's file */
	const char *name;
	const char *calls; /* what those import who use it */
} others[] = {
    {"libgnutls.so", "GnuTLS", "gnutls_"},
    {"libssl3.so", "NSS", "SSL_ImportFD"},
    {"libmbedtls.so", "mbed TLS", "mbedtls_ssl"},
    {"libwolfssl.so", "wolfSSL", "wolfSSL_"},
    {"libtls.so", "libtls", "tls_"},
    {"libs2n.so", "s2n-tls", "s2n_"},
};

int tg_graft_cannot(struct tg_graft *graft, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(graft->why, sizeof(graft->why), format, arguments);
	va_end(arguments);
	graft->can = false;
	tg_findings_add(&graft->findings, TG_NO, "graft", "%s", graft->why);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Objects whose own use of dlopen or exec says nothing about the program. */
static bool is_base(const char *name)
{
	return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "ld-linux", 8) == 0 ||
	       strncmp(name, "libtlsgraft.so", 14) == 0 || strncmp(name, "libasan.so", 10) == 0 ||
	       strncmp(name, "libtsan.so", 10) == 0 || strncmp(name, "libubsan.so", 11) == 0;
}

/* libssl.so.3, libssl.so.1.1, and what bundlers rename: libssl-0a1b2c3d.so.3. Not NSS's libssl3.so. */
static bool is_libssl(const char *name)
{
	return strncmp(name, "libssl.so", 9) == 0 || (strncmp(name, "libssl-", 7) == 0 && strstr(name, ".so") != NULL);
}

/* Debian's, and where a local build of OpenSSL is installed; anything else came with the program. */
static bool is_bundled(const char *path)
{
	static const char *const folders[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib"};
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		const size_t length = strlen(folders[i]);

		/* at most one folder below, for the architecture's own name */
		if (strncmp(path, folders[i], length) == 0 && slash != NULL) {
			const char *below = strchr(path + length, '/');

			return below != NULL && below < slash && strstr(path, "-linux-gnu/") == NULL;
		}
	}
	return true;
}

static void look_at_imports(struct tg_objects *objects, const struct tg_elf *elf)
{
	objects->listens = objects->listens || tg_elf_imports(elf, "listen");
	objects->accepts = objects->accepts || tg_elf_imports(elf, "accept") || tg_elf_imports(elf, "accept4");
	objects->opens = objects->opens || tg_elf_imports(elf, "dlopen") || tg_elf_imports(elf, "dlmopen");
	for (size_t i = 0; i < sizeof(starters) / sizeof(starters[0]) && !objects->starts; i++)
		objects->starts = tg_elf_imports(elf, starters[i]);
}

static void take_libssl(struct tg_objects *objects, struct tg_graft *graft, const char *path, const char *file)
{
	char version[TG_COPY_TEXT_SIZE] = "";
	char crypto[PATH_MAX];
	const char *name;
	struct tg_elf elf;

	if (graft->libssl[0] != '\0') {
		if (strcmp(graft->libssl, path) != 0)
			snprintf(objects->second, sizeof(objects->second), "%s", path);
		return;
	}
	snprintf(graft->libssl, sizeof(graft->libssl), "%s", path);
	/* the version stands in the libcrypto beside it */
	name = strrchr(file, '/');
	if (name != NULL &&
	    snprintf(crypto, sizeof(crypto), "%.*slibcrypto%s", (int)(name + 1 - file), file, name + 7) <
		(int)sizeof(crypto) &&
	    tg_elf_open(crypto, &elf) == 0) {
		tg_copies_version(&elf, "OpenSSL ", version);
		tg_elf_close(&elf);
	}
	tg_findings_add(&graft->findings, TG_FACT, "libssl", "links libssl: %s%s%s%s%s", path,
			version[0] ? " (OpenSSL " : "", version, version[0] ? ")" : "",
			is_bundled(path) ? ", its own bundled one" : "");
}

void tg_objects_library(struct tg_objects *objects, struct tg_graft *graft, const char *path, const char *file)
{
	const char *name = base_name(path);
	struct tg_elf elf;
	size_t at = 0;

	if (is_libssl(name)) {
		take_libssl(objects, graft, path, file);
		return;
	}
	if (is_base(name) || strncmp(name, "libcrypto", 9) == 0)
		return;
	if (strncmp(name, "liburing.so", 11) == 0)
		snprintf(objects->uring, sizeof(objects->uring), "%s", path);
	objects->java = objects->java || strcmp(name, "libjvm.so") == 0 || strcmp(name, "libjli.so") == 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strncmp(name, others[i].prefix, strlen(others[i].prefix)) == 0) {
			snprintf(objects->other, sizeof(objects->other), "%s (%s)", others[i].name, path);
			return;
		}
	}
	if (tg_elf_open(file, &elf) < 0)
		return;
	look_at_imports(objects, &elf);
	if (tg_elf_defines(&elf, "SSL_CTX_new"))
		snprintf(objects->copy, sizeof(objects->copy), "%s", path);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && objects->user[0] == '\0'; i++)
		if (tg_elf_imports_any(&elf, others[i].calls))
			snprintf(objects->user, sizeof(objects->user), "%s", path);
	if (objects->named[0] == '\0' && tg_elf_text(&elf, "libssl.so", &at) != NULL && tg_elf_imports(&elf, "dlopen"))
		snprintf(objects->named, sizeof(objects->named), "%s", path);
	tg_elf_close(&elf);
}

/* Says what the program's own file holds; true where a libssl is among it. */
static bool look_at_copies(struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program, bool linked)
{
	struct tg_copy copies[TG_COPIES_MAX];
	const size_t count = tg_copies_find(program, copies);
	bool own = false;

	for (size_t i = 0; i < count; i++) {
		const char *space = copies[i].version[0] ? " " : "";

		if (copies[i].is_libssl) {
			own = true;
			tg_findings_add(&graft->findings, linked ? TG_LIMIT : TG_FACT, "copy",
					"holds a copy of libssl of its own: %s%s%s%s", copies[i].name, space,
					copies[i].version, linked ? ": TLS through that is not reached" : "");
		} else if (linked) {
			tg_findings_add(&graft->findings, TG_LIMIT, "copy",
					"holds %s%s%s too: TLS that it speaks through that is not reached", copies[i].name,
					space, copies[i].version);
		} else if (objects->other[0] == '\0') {
			snprintf(objects->other, sizeof(objects->other), "%s%s%s", copies[i].name, space,
				 copies[i].version);
			objects->used = true;
		}
	}
	return own;
}

/* Another library beside libssl: it matters where the program itself calls it, else it came with one of its libraries. */
static void report_other(const struct tg_objects *objects, struct tg_graft *graft)
{
	if (objects->other[0] == '\0')
		return;
	if (objects->used || objects->user[0] == '\0')
		tg_findings_add(&graft->findings, TG_LIMIT, "other-tls",
				"maps %s: TLS that it speaks through that is not reached", objects->other);
	else
		tg_findings_add(&graft->findings, TG_FACT, "other-tls",
				"maps %s for %s; the program itself does not call it", objects->other,
				base_name(objects->user));
}

/* Java's own library of sockets comes later, by dlopen; Go makes its system calls itself. */
static bool can_serve_plaintext(const struct tg_objects *objects, const struct tg_graft *graft,
				const struct tg_elf *program)
{
	return !program->go &&
	       (objects->listens || objects->accepts || objects->java || graft->plaintext == TG_GRAFT_GIVEN);
}

/* What it speaks itself is out of reach. It can be grafted all the same where TLS is terminated for its plaintext ports. */
static int unreached(const struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

static int unreached(const struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program,
		     const char *format, ...)
{
	char why[TG_GRAFT_WHY_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	if (!graft->plaintext || !can_serve_plaintext(objects, graft, program))
		return tg_graft_cannot(graft, "%s: %s", graft->program, why);
	tg_findings_add(&graft->findings, TG_LIMIT, "other-tls", "%s; its plaintext ports alone can be grafted", why);
	graft->can = true;
	return 0;
}

static void report_plaintext(const struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program)
{
	const char *how = objects->listens   ? "imports listen"
			  : objects->accepts ? "imports accept, for sockets by activation"
			  : !objects->java   ? "is given a socket"
					     : "Java listens by a library that it loads later";

	if (!can_serve_plaintext(objects, graft, program))
		return;
	if (graft->can)
		tg_findings_add(
		    &graft->findings, TG_FACT, "plaintext",
		    "%s: a [listener] with server_speaks = plaintext can speak TLS for its plaintext ports (system "
		    "calls that it makes past the C library cannot be known by its files)",
		    how);
	else
		tg_findings_add(&graft->findings, TG_NEEDS, "plaintext",
				"a [listener] with server_speaks = plaintext: then its plaintext ports can be grafted (%s)",
				how);
	if (objects->uring[0] != '\0')
		tg_findings_add(
		    &graft->findings, graft->plaintext ? TG_LIMIT : TG_FACT, "plaintext",
		    "maps %s: what it accepts, reads and writes by io_uring passes by the shim; have it use none on "
		    "plaintext ports that TLS is spoken for",
		    objects->uring);
}

static int decide_linked(const struct tg_objects *objects, struct tg_graft *graft)
{
	/* one major version has a tested binding */
	if (strcmp(base_name(graft->libssl), "libssl.so.3") != 0)
		return tg_graft_cannot(graft, "%s: links %s: only OpenSSL 3 (libssl.so.3) can be grafted", graft->program,
				       graft->libssl);
	if (objects->second[0] != '\0')
		return tg_graft_cannot(graft, "%s: maps two copies of libssl, %s and %s: neither is touched",
				       graft->program, graft->libssl, objects->second);
	if (objects->copy[0] != '\0')
		tg_findings_add(&graft->findings, TG_LIMIT, "copy",
				"%s holds a copy of libssl of its own: TLS through that is not reached", objects->copy);
	report_other(objects, graft);
	graft->can = true;
	return 0;
}

static int decide_java(const struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program)
{
	if (!tg_modules_java(graft->late))
		return unreached(objects, graft, program, "Java: it speaks TLS by itself, not through libssl");
	tg_findings_add(&graft->findings, TG_LIMIT, "other-tls",
			"Java speaks TLS by itself; only what goes through %s reaches libssl", graft->late);
	graft->can = true;
	return 0;
}

static int decide_unlinked(struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program, bool own)
{
	char real[PATH_MAX];

	if (own)
		return unreached(objects, graft, program, "holds a static copy of libssl: its calls cannot be reached");
	if (objects->copy[0] != '\0')
		return unreached(objects, graft, program,
				 "%s holds a copy of libssl of its own: its calls cannot be reached", objects->copy);
	if (program->go)
		return tg_graft_cannot(graft, "%s: a Go program: it speaks TLS by itself, not through libssl",
				       graft->program);
	if (objects->java)
		return decide_java(objects, graft, program);
	if (realpath(graft->program, real) != NULL && tg_modules_find(real, graft->late)) {
		tg_findings_add(&graft->findings, TG_FACT, "libssl", "links no libssl; opens it later, by %s", graft->late);
		report_other(objects, graft);
	} else if (objects->other[0] != '\0') {
		return unreached(objects, graft, program,
				 "speaks TLS through %s, not through libssl: its calls cannot be reached", objects->other);
	} else if (objects->opens) {
		tg_findings_add(&graft->findings, TG_FACT, "libssl",
				"links no libssl and can open one at run time (imports dlopen%s%s): see `tlsgraft doctor "
				"PID` when it runs",
				objects->named[0] ? "; libssl is named in " : "", objects->named);
	} else if (graft->plaintext && can_serve_plaintext(objects, graft, program)) {
		tg_findings_add(&graft->findings, TG_FACT, "libssl", "links no libssl: a plaintext server");
	} else if (objects->starts) {
		graft->launcher = true;
		tg_findings_add(&graft->findings, TG_FACT, "libssl",
				"links no libssl and starts other programs: a launcher");
		tg_findings_add(&graft->findings, TG_LIMIT, "libssl",
				"each program that it starts is judged only when it runs");
	} else {
		return tg_graft_cannot(graft,
				       "%s: links no libssl, cannot open one (no dlopen) and starts no other program: "
				       "there is nothing to graft",
				       graft->program);
	}
	graft->can = true;
	return 0;
}

void tg_objects_decide(struct tg_objects *objects, struct tg_graft *graft, const struct tg_elf *program)
{
	const bool linked = graft->libssl[0] != '\0';
	bool own;

	look_at_imports(objects, program);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		objects->used = objects->used || tg_elf_imports_any(program, others[i].calls);
	own = look_at_copies(objects, graft, program, linked);
	if (linked) {
		if (program->go)
			tg_findings_add(&graft->findings, TG_LIMIT, "other-tls",
					"a Go program: TLS that Go itself speaks is not reached");
		if (decide_linked(objects, graft) == 0 && !graft->can)
			return;
	} else {
		decide_unlinked(objects, graft, program, own);
	}
	report_plaintext(objects, graft, program);
}
