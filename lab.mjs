import { startAzurite, makeContainer, startGcsServer, makeGcsBucket } from './.build/__tests__/support/bucket-servers.js';
import { AzureStore } from './.build/lib/stores/azure/index.js';
import { GcsStore } from './.build/lib/stores/gcs/index.js';
const MIB=1024*1024;
const releases=[]; const c={ directory: async()=>'/tmp/h/store19-lab', defer: r=>releases.push(r) };
async function measure(name, store, mib) {
  const chunk = Buffer.alloc(MIB, 7); let peak=0, rss=0; global.gc();
  const base = process.memoryUsage().arrayBuffers;
  const body = async function*(){ for (let i=0;i<mib;i++){ yield Buffer.from(chunk); const m=process.memoryUsage(); peak=Math.max(peak,m.arrayBuffers-base); rss=Math.max(rss,m.rss); if(i%8===0) global.gc(); } };
  const cpu=process.cpuUsage(); const t=performance.now();
  const s = await store.put('large', body());
  const u=process.cpuUsage(cpu);
  console.log(name,'put', mib,'MiB size', s.size/MIB, 'peak arrayBuffers MiB', (peak/MIB).toFixed(0), 'rss', (rss/MIB).toFixed(0), 'cpu s', ((u.user+u.system)/1e6).toFixed(2), 'wall', ((performance.now()-t)/1000).toFixed(1));
  const cpu2=process.cpuUsage(); peak=0; global.gc(); let n=0;
  const o = await store.open('large'); let i=0;
  for await (const ch of o.body) { n+=ch.length; if (i++%200===0) {global.gc(); peak=Math.max(peak,process.memoryUsage().arrayBuffers-base);} }
  const v=process.cpuUsage(cpu2);
  console.log(name,'read', n/MIB, 'peak', (peak/MIB).toFixed(0), 'cpu s', ((v.user+v.system)/1e6).toFixed(2));
}
try {
  const cs = await startAzurite(c);
  await measure('azure', new AzureStore({container: await makeContainer(cs), connectionString: cs}), 256);
  const config = await startGcsServer(c);
  await measure('gcs', new GcsStore({bucket: await makeGcsBucket(config), config}), 256);
} finally { for (const r of releases) await r(); }
