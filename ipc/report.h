/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report memory: attached processes write, the keeper reads. Writers use relaxed atomics only; no call here makes a
 * system call once the memory is mapped, none can fail in a way that matters to a handshake. Async-signal-safe:
 * tg_report_request_reload.
 */
#ifndef TG_IPC_REPORT_H
#define TG_IPC_REPORT_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Keeper: makes the report memfd of tree `tree`, sealed SHRINK | GROW | SEAL. Returns 0 or a negative errno. Its descriptor
 * stays with the keeper and the relay.
 */
int tg_report_create(const char *tree, int *ret_fd);

/* Keeper: a descriptor for one attached process, which is counted as long as that attached process keeps it or maps by it;
 * or a negative errno.
 */
int tg_report_share(int fd);

/*
 * Keeper: true when nobody has a descriptor of tg_report_share any more, nor maps the memory by one. Asked by a read lease,
 * which is given to the owner of a file that nobody has open for writing (F_SETLEASE in fcntl(2)), and returned at once.
 * Leases can be turned off (fs.leases-enable): nothing counts as abandoned then.
 */
bool tg_report_abandoned(int fd);

/*
 * Attached processes map it writable; a page of the layout before is shorter, what it lacks is then memory of the attached
 * process's own. The keeper maps it read-only, so that its own mapping does not count in tg_report_abandoned.
 */
int tg_report_map(int fd, bool writable, struct tg_report_page **ret_page);
void tg_report_unmap(struct tg_report_page *page);

/* Guest side. */
void tg_report_request_reload(struct tg_report_page *page);
void tg_report_process(struct tg_report_page *page, uint32_t pid, uint64_t generation);
struct tg_section_slot *tg_report_section(struct tg_report_page *page, const char *name); /* NULL: table full */
void tg_report_accepted(struct tg_section_slot *slot, bool resumed);
/* `slot` is one of `page`, or NULL. In a page of the layout before, reasons that it has no room for count as "other". */
void tg_report_refused(struct tg_report_page *page, struct tg_section_slot *slot, enum tg_refusal reason);
void tg_report_aborted(struct tg_section_slot *slot);
/* Of a listener whose server speaks plaintext; `slot` is that section's in `page`, or NULL. */
void tg_report_plaintext(struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_plaintext_event event);
/* Its server passes on connections in use, which the relay alone can follow: engine = auto learns it by the first one. */
void tg_report_moves(struct tg_report_page *page, const struct tg_section_slot *slot);
bool tg_report_has_moved(const struct tg_report_page *page, const struct tg_section_slot *slot);
/* A handshake whose client offered ALPN and was answered by no protocol; `slot` as above. */
void tg_report_alpn_unanswered(struct tg_report_page *page, const struct tg_section_slot *slot);
/* Of one port no more addresses than this are told apart; the others are that port's at any address. */
#define TG_UNGOVERNED_ALIKE 6u
void tg_report_ungoverned(struct tg_report_page *page, uint16_t family, const unsigned char address[16], uint16_t port);

/* How many were refused for `reason`; `slot` is one of `page`, or NULL. */
uint64_t tg_report_refusals(const struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_refusal reason);

#endif
