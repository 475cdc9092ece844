# programs and scripts of this kind
