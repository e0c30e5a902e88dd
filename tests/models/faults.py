# SPDX-License-Identifier: Apache-2.0
"""What run.py puts back: (model, scenario, what is wrong then, (file, what is there, what takes its place), ...)."""

# A number that is being closed is copied.
REVIVED = (
    "the count of numbers is revived from 0",
    ("descriptors_copy.c", "tg_entry_open(tg_entry_at(from));\n	if (fd >= 0 &&",
     "tg_entry_holder(tg_entry_at(from));\n	if (fd >= 0 &&"),
)
# A number that was closed, and that the kernel has given out again.
EARLY_COPY = (
    "a number that was accepted and is not entered yet is copied",
    ("descriptors_copy.c", "	if (tg_entry_at(from) != 0)\n", "	if (tg_entry_holder(tg_entry_at(from)) != NULL)\n"),
)
# Registered when whoever closes the number has looked already.
LATE_REGISTRATION = (
    "a number that is being closed is registered, and its stream used after it was freed",
    ("epoll_control.c", "if (!tg_descriptors_is(of, stream)) {", "if (stream == NULL) {"),
    ("descriptors.c", "	tg_readiness_forget(holder->stream, -1);\n	tg_stream_free", "	tg_stream_free"),
    ("descriptors.c", "		tg_readiness_forget(left->holder->stream, -1);\n", ""),
)

FAULTS = (
    ("numbers", "copied while closed", *REVIVED),
    ("numbers", "copied onto while closed", *REVIVED),
    ("numbers", "copied while closed, and the next client", *REVIVED),
    ("numbers", "copied while closed, and the next client", *EARLY_COPY),
    ("numbers", "copied while closed and given to the next client", *EARLY_COPY),
    ("numbers", "both numbers closed", "the numbers that are open are counted outside of the lock",
     ("descriptors_close.c", "	tg_descriptors_lock();\n	const uintptr_t entry", "	const uintptr_t entry"),
     ("descriptors_close.c", "		tg_holder_ref(holder);\n	}\n	tg_descriptors_unlock();\n", "		tg_holder_ref(holder);\n	}\n")),
    ("numbers", "closed twice and given to the next client", "a number leaves the table although it is another connection by now",
     ("descriptors_close.c", "if (tg_entry_holder(entry) == holder && (entry & TG_CLOSING) != 0) {", "if (holder != NULL) {"),
     ("descriptors_close.c", "		return closing;\n", "		return false;\n")),
    ("numbers", "copied onto what is closed", "a copy takes a number that another thread is about to close",
     ("descriptors_copy.c", "if (fd >= 0 && !was_stream && (tg_entry_at(fd) & TG_CLOSING) != 0) {", "if (fd < -1) {")),
    ("numbers", "written while closed, and the next client", "a number that was the last one is the kernel's own to write to",
     ("transfer.h", "	return tg_descriptors_is_known(fd) ? tg_transfer_begin_slowly",
      "	return tg_transfer_any() && tg_descriptors_is_known(fd) ? tg_transfer_begin_slowly")),
    ("numbers", "written while closed and given to the next client", "a number that was accepted and is not entered yet is the kernel's own",
     ("descriptors_close.c", "F_GETFD) >= 0 && !tg_descriptors_is_pending(fd);", "F_GETFD) >= 0;")),
    ("numbers", "registered while closed", *LATE_REGISTRATION),
    ("numbers", "registered while closed, and the next client", *LATE_REGISTRATION),
    ("numbers", "modified while closed", "who closes a number looks at its registrations without their lock",
     ("epoll_control.c", "	tg_registrations_lock(watch);\n	for (struct tg_registration *registration = watch->first; registration "
      "!= NULL;\n	     registration = registration->of_stream)\n		forget(registration, fd);\n	tg_registrations_prune"
      "(watch);\n	look_for(watch);\n	tg_registrations_unlock(watch);",
      "	while (watch->first != NULL && watch->first->epoll != NULL)\n		forget(watch->first, fd);")),
    ("numbers", "registered while the epoll is closed", "a stream is registered with an epoll that was closed",
     ("epoll_control.c", "if (tg_epoll_find(fd) == epoll)", "if (epoll != NULL)")),
    ("numbers", "registered while deleted", "DEL changes the kernel's registrations outside of the lock, and an ADD is lost for ever",
     ("epoll_control.c", "	tg_registrations_lock(watch);\n	struct tg_epoll *epoll = tg_epoll_find(fd);",
      "	struct tg_epoll *epoll = tg_epoll_find(fd);"),
     ("epoll_control.c", "saved = is_its ? errno : EBADF;\n", "saved = is_its ? errno : EBADF;\n	tg_registrations_lock(watch);\n")),
    ("numbers", "waited for while closed", "a reference is counted up from 0",
     ("descriptors.c", "	while (references != 0)\n", "	for (;;)\n")),
    ("numbers", "passed on while closed, and the next client", "a holder is looked at without a reference",
     ("descriptors_exec.c", "	struct tg_holder *holder = tg_holder_at(fd);\n	const bool may",
      "	struct tg_holder *holder = tg_entry_holder(tg_entry_at(fd));\n	const bool may"),
     ("descriptors_exec.c", "	if (holder != NULL)\n		tg_holder_unref(holder);\n	return may;", "	return may;")),
    ("numbers", "registered while read", "who registers does not look at what a reader has left meanwhile",
     ("epoll_control.c", "	if (r == 0 && !__libc_single_threaded && (registration", "	if (r > 0 && (registration")),
    ("numbers", "registered while read", "who reads may not see that somebody registers",
     ("epoll_control.c", "__libc_single_threaded ? atomic_load_explicit(&watch->look, memory_order_relaxed)",
      "true ? atomic_load_explicit(&watch->look, memory_order_relaxed)")),
    ("numbers", "read by one, looked at by another", "a thread that sleeps for input does not say so",
     ("wait.c", "	atomic_store(&watch->sleeper, this_process());\n", "")),
)
