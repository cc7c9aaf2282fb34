# Packs a program as AWS Lambda wants it: one file named `bootstrap` that may be executed. The same
# program gives the same bytes.
import sys
import zipfile

program, archive = sys.argv[1:3]
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.create_system = 3
entry.external_attr = 0o100755 << 16
entry.compress_type = zipfile.ZIP_DEFLATED
with open(program, "rb") as file, zipfile.ZipFile(archive, "w", compresslevel=9) as out:
    out.writestr(entry, file.read(), compresslevel=9)
