libcore_a_SOURCES += %reldir%/action.h %reldir%/event.h %reldir%/node.h %reldir%/read_path.c %reldir%/read_path.h \
	%reldir%/watch.c %reldir%/watch.h
