libcore_a_SOURCES += %reldir%/action.h %reldir%/event.h %reldir%/node.h
