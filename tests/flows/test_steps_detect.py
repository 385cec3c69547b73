import time
def test_probe(watch):
    t=time.time(); w=watch(); print('make',time.time()-t); t=time.time()
    out=w.run(); print('run',time.time()-t)
    for o in out: print(o)
    t=time.time(); print(w.states(), time.time()-t)
    t=time.time(); print(w.detect(), time.time()-t)
    print({k:len(v) for k,v in w.rows().items()})
def test_water(watch, quiet_series):
    from tests.watching import WATER
    t=time.time()
    w=watch(quiet_series,burst=WATER); print(w.run()); print(time.time()-t)
