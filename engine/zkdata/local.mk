libskin_a_SOURCES += %reldir%/directory.c %reldir%/directory.h %reldir%/log.c %reldir%/log.h %reldir%/quota.c \
	%reldir%/quota.h %reldir%/recover.c %reldir%/recover.h %reldir%/snapshot.c %reldir%/snapshot.h \
	%reldir%/snapshot_writer.c %reldir%/snapshot_writer.h %reldir%/source.c %reldir%/source.h %reldir%/txn.c \
	%reldir%/txn.h %reldir%/zkdata_internal.h
EXTRA_DIST += %reldir%/README.md
