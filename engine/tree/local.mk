libcore_a_SOURCES += \
	%reldir%/acl.c %reldir%/acl.h %reldir%/apply.h %reldir%/image.h \
	%reldir%/multi.c %reldir%/multi.h \
	%reldir%/operation.c %reldir%/operation.h \
	%reldir%/overlay.c %reldir%/overlay.h \
	%reldir%/prepare.c %reldir%/prepare.h %reldir%/tree.h %reldir%/usage_sums.c %reldir%/usage_sums.h
# Storage
libcore_a_SOURCES += \
	%reldir%/acl_table.c %reldir%/acl_table.h %reldir%/apply.c \
	%reldir%/blob.c %reldir%/blob.h %reldir%/bookmark.c %reldir%/bookmark.h %reldir%/crc32.c %reldir%/crc32.h \
	%reldir%/descendants.c %reldir%/digest.c %reldir%/digest.h %reldir%/edit.c %reldir%/edit.h %reldir%/id_set.c %reldir%/id_set.h \
	%reldir%/index.c %reldir%/index.h %reldir%/load.c %reldir%/loader.c \
	%reldir%/quota.c %reldir%/quota.h %reldir%/quota_text.c %reldir%/reapable.c %reldir%/reapable.h \
	%reldir%/row.c %reldir%/row.h %reldir%/sessions.c %reldir%/sessions.h \
	%reldir%/slab.c %reldir%/slab.h %reldir%/stream.c %reldir%/track.c %reldir%/track.h \
	%reldir%/tree.c %reldir%/tree_internal.h %reldir%/txn_record.c %reldir%/txn_record.h \
	%reldir%/walk.c %reldir%/znode.c %reldir%/znode.h
EXTRA_DIST += %reldir%/README.md
