import { Storage } from '@google-cloud/storage';
import { optionsOf } from './.build/__tests__/support/bucket-servers.js';
import { GcsStore } from './.build/lib/stores/gcs/index.js';
import { createServer } from 'node:http';
const status=503;
const server=createServer((req,res)=>{ req.resume(); console.log(req.method, req.url.slice(0,80)); res.writeHead(status, {'Retry-After':'7','Content-Type':'application/json'}).end(JSON.stringify({error:{code:status,message:'no',errors:[{reason:'no',message:'no'}]}}))}).listen(0,'127.0.0.1');
await new Promise(r=>server.once('listening',r));
const url='http://127.0.0.1:'+server.address().port;
const go = async (url) => {
const client = new Storage({ ...optionsOf(url), retryOptions: { autoRetry: false } });
const store = new GcsStore({bucket:'snaps', client});
for (const [n,f] of Object.entries({stat:()=>store.stat('k'), open:()=>store.open('k'), put:()=>store.put('k',(async function*(){yield Buffer.alloc(10)})()), del:()=>store.delete('k'), list:async()=>{for await (const x of store.list());}})) {
 const t=performance.now(); const p=f().then(()=>'ok',e=>e.message+' '+e.retryAfter);
 console.log(n, await Promise.race([p,new Promise(r=>setTimeout(r,6000,'HANG'))]), (performance.now()-t).toFixed(0));
}};
await go(url); await go('http://127.0.0.1:1'); process.exit();
